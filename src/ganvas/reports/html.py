"""One HTML page for the directions of a region, and an index of such pages. Computes nothing but the look.

A page holds all it shows: images as PNG inside the page, its style and its script. Its content security policy
forbids every request, so that it opens from disk and sends nothing anywhere.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib import resources
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.images.pixels import enlarge, png_bytes, resize
from ganvas.images.sheets import outline
from ganvas.io.files import atomic_path

SMALLEST_SIDE = 192
LARGEST_SIDE = 512
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LEGEND = {
    "eigenvalue": "How much the direction changes the region against how much it changes the rest, as the method "
    "weighs the two.",
    "predicted ratio": "Mean squared change inside the region over that outside, as foretold for a small step.",
    "strength": "How far the code was moved along the direction (Euclidean distance). At 0 stands the original.",
    "change": "Root mean square change against the original, inside and outside the region; black to white would be 2. "
    "All bars on this page share one scale.",
}


@dataclass(frozen=True)
class DirectionStrip:
    """One direction on one image: `images[i]` was made at `strengths[i]`.

    `inside` and `outside` are root mean square changes against the original, on the scale of images in [-1, 1];
    `outside` is None where no region is known, and `inside` then counts the whole image. Numbers that are not known
    are nan and left out.
    """

    label: str
    eigenvalue: float
    predicted_ratio: float
    strengths: tuple[float, ...]
    images: Float[Tensor, "k 3 h w"]
    inside: tuple[float, ...]
    outside: tuple[float, ...] | None

    def __post_init__(self) -> None:
        outside = self.inside if self.outside is None else self.outside
        counts = {len(self.strengths), len(self.images), len(self.inside), len(outside)}
        if counts == {0} or len(counts) > 1:
            raise ImageError(f"'{self.label}' needs as many strengths as images and changes, and at least one.")


@dataclass(frozen=True)
class ManySeeds:
    """One direction on several images: `images[row, i]` is the image of `seeds[row]` at `strengths[i]`.

    A row that has no seed is told by a word of its own.
    """

    label: str
    seeds: tuple[int | str, ...]
    strengths: tuple[float, ...]
    images: Float[Tensor, "rows k 3 h w"]

    def __post_init__(self) -> None:
        if self.images.shape[:2] != (len(self.seeds), len(self.strengths)) or 0 in self.images.shape:
            raise ImageError(f"'{self.label}' on many seeds needs one image for every seed and strength.")


@dataclass(frozen=True)
class IndexEntry:
    """One page that the index shows: its name, its address relative to the index, an image and a few words."""

    title: str
    href: str
    image: Float[Tensor, "1 3 h w"]
    text: str


def directions_page(
    path: str | Path,
    *,
    title: str,
    facts: Mapping[str, str],
    original: Float[Tensor, "1 3 h w"],
    mask: Float[Tensor, "1 mask_h mask_w"] | None,
    strips: Sequence[DirectionStrip],
    many: Sequence[ManySeeds] = (),
    links: Mapping[str, str] | None = None,
) -> Path:
    """Write a page with the original and its region, one row per direction, and one block per direction on many seeds.

    Without a `mask` nothing is outlined. `facts` become a table in their order; the one named "command" is set as code.
    `links` are names and addresses relative to the page. The same input gives the same bytes. Returns the path.

    Raises:
        ImageError: an image holds values that are not numbers, or the page cannot be written.
    """
    shown = _fit(original, LARGEST_SIDE * 3 // 4)
    caption = "The original"
    if mask is not None:
        shown, caption = outline(shown, mask), "The original, with the region outlined"
    longest_bar = max((change for row in strips for change in row.inside + (row.outside or ())), default=0.0)
    body = [
        _header(title, "", links or {}),
        '<section class="origin">',
        f'<figure class="original">{_img(shown, caption)}',
        f"<figcaption>{caption}</figcaption></figure>",
        f'<div class="about">{_table_of_facts(facts)}{_legend()}</div></section>',
        *(_direction(row, index, longest_bar) for index, row in enumerate(strips)),
        *(_many(block) for block in many),
    ]
    return _write_page(path, title, body)


def index_page(path: str | Path, *, title: str, intro: str, entries: Sequence[IndexEntry]) -> Path:
    """Write a page of linked images, one per region or result. Returns the path.

    Raises:
        ImageError: an image holds values that are not numbers, or the page cannot be written.
    """
    cards = [
        f'<a class="card" href="{escape(entry.href)}">{_img(_fit(entry.image, 320), "")}'
        f"<strong>{escape(entry.title)}</strong><span>{escape(entry.text)}</span></a>"
        for entry in entries
    ]
    return _write_page(path, title, [_header(title, intro, {}), '<nav class="cards">', *cards, "</nav>"])


def number(value: float, signed: bool = False) -> str:
    """Write a number with three digits as people read it: 0.0312, 4.06, 12,300, 1.2 × 10⁷, with a true minus.

    `signed` puts a plus before what is above zero.
    """
    if not math.isfinite(value):
        return str(value).replace("-", "−").replace("inf", "∞").replace("nan", "not a number")
    mantissa, _, power = f"{abs(value):.2e}".partition("e")
    exponent = int(power)
    if -4 <= exponent < 6 or value == 0:
        mantissa, suffix = f"{float(f'{mantissa}e{power}'):,.{max(0, 2 - exponent)}f}", ""
    else:
        suffix = f" × 10{str(exponent).translate(_SUPERSCRIPTS)}"
    text = (mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa) + suffix
    return ("−" if value < 0 else "+" if signed and value > 0 else "") + text


def _write_page(path: str | Path, title: str, body: Sequence[str]) -> Path:
    static = resources.files("ganvas.reports") / "static"
    style, script = (static.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    key = base64.b64encode(sha256(script.encode()).digest()).decode()
    # Only this very script may run, and nothing may be fetched, whatever a title or a label holds.
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{key}'"
    page = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>",
        *body,
        f"</main>\n<footer>Made with Ganvas</footer>\n<script>{script}</script>\n</body>\n</html>\n",
    ]
    with atomic_path(path, ImageError) as temporary:
        temporary.write_text("\n".join(page), encoding="utf-8", errors="replace")
    return Path(path)


def _header(title: str, intro: str, links: Mapping[str, str]) -> str:
    anchors = "".join(f'<a href="{escape(href)}">{escape(name)}</a>' for name, href in links.items())
    words = f"<p>{escape(intro)}</p>" if intro else ""
    return f"<header><h1>{escape(title)}</h1>{words}{f'<nav>{anchors}</nav>' if anchors else ''}</header>"


def _table_of_facts(facts: Mapping[str, str]) -> str:
    words = {name: escape(value) for name, value in facts.items()}
    if "command" in words:
        words["command"] = f"<code>{words['command']}</code>"
    rows = [f'<tr><th scope="row">{escape(name)}</th><td>{value}</td></tr>' for name, value in words.items()]
    return f'<table class="facts"><tbody>{"".join(rows)}</tbody></table>' if rows else ""


def _legend() -> str:
    terms = "".join(f"<dt>{term}</dt><dd>{meaning}</dd>" for term, meaning in _LEGEND.items())
    keys = '<span class="key in">inside</span> <span class="key out">outside</span>'
    return f'<dl class="legend">{terms.replace("<dt>change</dt>", f"<dt>{keys}</dt>")}</dl>'


def _direction(row: DirectionStrip, index: int, longest_bar: float) -> str:
    known = {"eigenvalue": row.eigenvalue, "predicted ratio": row.predicted_ratio}
    numbers = "".join(f"<dt>{n}</dt><dd>{number(value)}</dd>" for n, value in known.items() if not math.isnan(value))
    cells = [_cell(row, position, longest_bar) for position in range(len(row.strengths))]
    return "\n".join(
        [
            f'<section class="direction" id="direction-{index}" data-label="{escape(row.label)}">',
            f"<header><h2>{escape(row.label)}</h2><dl>{numbers}</dl></header>",
            f'<div class="strip" style="--count:{len(cells)}">',
            *cells,
            "</div></section>",
        ]
    )


def _cell(row: DirectionStrip, index: int, longest_bar: float) -> str:
    strength = number(row.strengths[index], signed=True)
    changes = [("in", "inside", row.inside[index])]
    if row.outside is not None:
        changes.append(("out", "outside", row.outside[index]))
    bars = "".join(_bar(kind, name, change, longest_bar) for kind, name, change in changes)
    image = _img(_fit(row.images[index : index + 1]), f"{row.label} at strength {strength}")
    base = ' class="base"' if row.strengths[index] == 0 else ""
    return f'<figure{base}>{image}<figcaption><b class="strength">{strength}</b>{bars}</figcaption></figure>'


def _bar(kind: str, name: str, change: float, longest: float) -> str:
    share = change / longest if longest > 0 and math.isfinite(change / longest) else 0.0
    digits = "<0.001" if 0 < change < 0.0005 else f"{change:.3f}" if change else "0"
    return (
        f'<span class="change {kind}" title="{name}"><i><i style="width:{100 * share:.1f}%"></i></i>'
        f'<span class="unseen">{name} </span>{escape(digits)}</span>'
    )


def _many(block: ManySeeds) -> str:
    head = "".join(f'<th scope="col">{number(strength, signed=True)}</th>' for strength in block.strengths)
    rows = []
    for seed, images in zip(block.seeds, block.images, strict=True):
        named = isinstance(seed, str)
        alts = [
            f"{seed if named else f'Seed {seed}'}, {block.label} at strength {number(strength, signed=True)}"
            for strength in block.strengths
        ]
        cells = [f"<td>{_img(_fit(image[None]), alt)}</td>" for image, alt in zip(images, alts, strict=True)]
        head_cell = escape(seed) if named else f"<span>seed</span> {seed}"
        rows.append(f'<tr><th scope="row">{head_cell}</th>{"".join(cells)}</tr>')
    return (
        f'<section class="many"><header><h2>{escape(block.label)}, the same on other seeds</h2></header>'
        f'<div class="scroll"><table><thead><tr><th scope="col">strength</th>{head}</tr></thead>\n'
        f"<tbody>{chr(10).join(rows)}</tbody></table></div></section>"
    )


def _fit(image: Float[Tensor, "1 3 h w"], smallest: int = SMALLEST_SIDE) -> Float[Tensor, "1 3 new_h new_w"]:
    """Enlarge by a whole factor to at least `smallest` pixels a side, or shrink to `LARGEST_SIDE`."""
    height, width = image.shape[-2:]
    side = max(height, width)
    if side > LARGEST_SIDE:
        scale = LARGEST_SIDE / side
        return resize(image, max(1, round(height * scale)), max(1, round(width * scale)))
    return enlarge(image, math.ceil(smallest / side))


def _img(image: Float[Tensor, "1 3 h w"], alt: str) -> str:
    height, width = image.shape[-2:]
    data = base64.b64encode(png_bytes(image)).decode()
    return f'<img src="data:image/png;base64,{data}" width="{width}" height="{height}" alt="{escape(alt)}">'
