"""What objects show in a cell of a notebook: the line of their repr, a row of small images, a table."""

import base64
import html
import io
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from ganvas.images.pixels import resize, to_pillow

SIDE = 128  # pixels of the larger side of an image
MOST_IMAGES = 8
MOST_ROWS = 10


def notebook_cell(
    what: object,
    images: Float[Tensor, "n 3 h w"] | None = None,
    *,
    columns: Sequence[str] = (),
    rows: Sequence[Sequence[object]] = (),
) -> str:
    """Return HTML for ``_repr_html_``: the repr of `what`, up to 8 images of at most 128 pixels as PNG data, and a
    table of up to 10 `rows`. All text is escaped; ``columns`` may be left out.
    """
    parts = [f"<code>{html.escape(repr(what))}</code>"]
    if images is not None:
        shown = "\n".join(_image(image[None]) for image in images[:MOST_IMAGES])
        parts.append(f"<div>{shown}{_more(len(images) - MOST_IMAGES, 'images')}</div>")
    if rows:
        lines = [_row(columns, "th")] * bool(columns) + [_row(row, "td") for row in rows[:MOST_ROWS]]
        parts.append(f"<table>{''.join(lines)}</table>{_more(len(rows) - MOST_ROWS, 'rows')}")
    return f"<div>{''.join(parts)}</div>"


def _image(image: Float[Tensor, "1 3 h w"]) -> str:
    height, width = image.shape[-2:]
    scale = min(1.0, SIDE / max(height, width))
    small = resize(
        image.detach().cpu().float().nan_to_num(), *(max(1, round(side * scale)) for side in (height, width))
    )
    file = io.BytesIO()
    to_pillow(small).save(file, format="PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img src="data:image/png;base64,{data}" style="display:inline;margin:2px" alt="">'


def _row(values: Sequence[object], kind: str) -> str:
    return "<tr>" + "".join(f"<{kind}>{html.escape(str(value))}</{kind}>" for value in values) + "</tr>"


def _more(count: int, what: str) -> str:
    return f"<span>and {count} more {what}</span>" if count > 0 else ""
