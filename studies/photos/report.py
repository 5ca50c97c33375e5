"""What the study of photos shows: tables with 95 % intervals, and a sheet of the first photos."""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.estimates import Estimate, mean_estimate
from ganvas.comparisons.reconstruction import Numbers, number_text, reconstruction_table
from ganvas.comparisons.tables import table, text
from ganvas.images import pixels, sheets
from studies.photos.settings import Settings
from studies.photos.survival import Survived

GENERATED, INVERTED, TUNED = "generated", "inverted", "tuned"
SHOWN = 5
SMALLEST = 128  # pixels of an image on a sheet


def survival(found: Mapping[str, Mapping[str, Survived]]) -> str:
    """Return the table of what each edit did to generated images, inverted photos and tuned ones."""
    head = ["edit", "images", "change inside", "change outside", "inside / outside", "alike (cosine)"]
    lines = [head]
    for edit, by_kind in found.items():
        for kind, done in by_kind.items():
            roots = [[math.sqrt(value) for value in values] for values in (done.inside, done.outside)]
            inside, outside = (number_text(mean_estimate(values), 3) for values in roots)
            alike = number_text(mean_estimate(done.alike), 3)
            lines.append([edit, kind, inside, outside, text(geometric(done.ratios)), alike])
    return table(lines)


def kept_ratio(found: Mapping[str, Survived]) -> Estimate:
    """Return the inside/outside ratio of tuned photos as a share of the untuned ones', photo by photo."""
    pairs = zip(found[TUNED].ratios, found[INVERTED].ratios, strict=True)
    return geometric([tuned / untuned for tuned, untuned in pairs])


def geometric(ratios: Sequence[float]) -> Estimate:
    """Return the geometric mean of ratios."""
    found = mean_estimate([math.log(ratio) for ratio in ratios])
    return Estimate(*(math.exp(value) for value in (found.value, found.low, found.high)))


def markdown(
    numbers: Numbers, found: Mapping[str, Mapping[str, Survived]], settings: Settings, generator: str, perceptual: str
) -> str:
    """Return the whole report."""
    shares = [f"{name}: {text(kept_ratio(by_kind))}" for name, by_kind in found.items()]
    return "\n".join(
        [
            f"# Photos in {generator}\n",
            f"{settings.count} photos, {settings.steps} steps each from the mean (perceptual + L1 + L2); w+ codes then "
            f"tuned by {settings.tune} steps. Means with 95 % intervals (bootstrap over photos).\n",
            reconstruction_table(numbers, perceptual),
            f"\n## Edits\n\nThe first direction of each region, found on {len(settings.found_on)} generated images, "
            f"both ways, at the distance where it changes the region of those by {settings.inside:g} (root of mean "
            f"squares; black to white is 2). {settings.edited} images of each kind; the ratio is of mean squared "
            "changes, geometric mean.\n",
            survival(found),
            f"\nThe ratio after tuning as a share of that before, photo by photo: {'; '.join(shares)}.\n",
        ]
    )


Edits = Mapping[str, Mapping[str, Float[Tensor, "n 3 3 h w"]]]
"""Images moved back, as they are and moved forth, by edit and kind."""


def photo_sheet(
    photos: Float[Tensor, "n 3 h w"], became: Mapping[str, Float[Tensor, "n 3 h w"]], edits: Edits
) -> Float[Tensor, "1 3 height width"]:
    """Return a row for each of the first photos: what it became, and its edits before and after tuning, both ways."""
    columns = {"photo": photos.cpu(), **became}
    for name, by_kind in edits.items():
        for kind in (INVERTED, TUNED):
            columns |= _both_ways(f"{kind}, {name}", by_kind[kind])
    return _sheet(columns, min(SHOWN, len(photos)))


def generated_sheet(edits: Edits) -> Float[Tensor, "1 3 height width"]:
    """Return a row for each of the first generated images and its edits, both ways."""
    columns = {GENERATED: next(iter(edits.values()))[GENERATED][:, 1]}
    for name, by_kind in edits.items():
        columns |= _both_ways(name, by_kind[GENERATED])
    return _sheet(columns, SHOWN)


def _both_ways(name: str, moved: Tensor) -> dict[str, Tensor]:
    return {f"{name} -": moved[:, 0], f"{name} +": moved[:, 2]}


def _sheet(columns: Mapping[str, Tensor], rows: int) -> Float[Tensor, "1 3 height width"]:
    side = max(SMALLEST, next(iter(columns.values())).shape[-1])
    cells = [pixels.resize(some[:rows].float().clamp(-1, 1), side, side) for some in columns.values()]
    return sheets.labeled_grid(torch.stack(cells, dim=1).flatten(0, 1), len(columns), list(columns))
