"""The table of inversions: the same photos, the same number of steps, a generator and a space a row, a loss a column.

A cell is finished when its file is there, and is not computed again. Distances are of three kinds, of which SSIM is
never optimized; all are measured at the size of the smallest generator, so that a column compares the same images.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.nearness import DIGITS, Eyes
from ganvas.comparisons.records import claim_folder, write_json
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator, about_of
from ganvas.images import pixels
from ganvas.inversion.batch import joined
from ganvas.inversion.invert import Inversion, InversionSettings, invert
from ganvas.inversion.terms import FeatureMaps, Weights, bundled_features
from ganvas.latents.latent import load_latent

LOSSES: Mapping[str, Weights] = {
    "perceptual": Weights(perceptual=1.0),
    "perceptual + L1 + L2": Weights(perceptual=1.0, l1=1.0, l2=1.0),
}
AT_ONCE = 10
SMALLEST = 16  # pixels: below, neither SSIM nor the feature network sees anything
Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Row:
    """A row of the table: a generator by a `name` for people, and the space in which photos are looked for."""

    name: str
    generator: Generator
    space: str

    @property
    def title(self) -> str:
        """What the row is called: "faces, w+"."""
        return f"{self.name}, {self.space}"


@dataclass(frozen=True)
class Cell:
    """What became of the photos in one cell: numbers photo by photo, and where their latent lies."""

    row: str
    column: str
    psnr: tuple[float, ...]
    perceptual: tuple[float, ...]
    ssim: tuple[float, ...]
    from_mean: tuple[float, ...]
    seconds: float
    latent: str
    judged: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Settings:
    """What is the same in every cell."""

    steps: int = 300
    optimizer: str = "adam"
    start: str = "mean"
    seed: int = 0


def rows_of(generators: Mapping[str, Generator]) -> list[Row]:
    """Return the table's rows: for every generator its spaces z, w and w+, as far as it has them."""
    return [
        Row(name, generator, space)
        for name, generator in generators.items()
        for space in ("z", "w", "w+")
        if space in generator.spaces
    ]


def run(
    rows: Sequence[Row],
    photos: Mapping[int, Float[Tensor, "n 3 _r _r"]],
    names: Sequence[str],
    folder: Path,
    settings: Settings = Settings(),
    *,
    losses: Mapping[str, Weights] = LOSSES,
    eyes: Eyes | None = None,
    say: Say = lambda what, done, total: None,
) -> list[Cell]:
    """Compute the cells that `folder` does not hold yet; returns all, row by row.

    `photos` are the same ones at the resolution of every generator. Raises `GanvasError` where the folder holds another
    table.
    """
    claim_folder(folder, _record(rows, photos, names, settings, losses))
    eyes, side, cells = eyes or Eyes(bundled_features()), measured_side(rows), []
    for row in rows:
        for column, weights in losses.items():
            place = folder / f"{_slug(row.title)}--{_slug(column)}.json"
            if not place.is_file():
                told = partial(say, f"{row.title}, {column}")
                targets = photos[row.generator.resolution]
                parts = _invert(row, weights, targets, names, settings, eyes.look, told)
                write_cell(row, column, parts, targets, place, eyes, side)
            cells.append(read_cell(place))
    return cells


def _invert(
    row: Row,
    weights: Weights,
    photos: Tensor,
    names: Sequence[str],
    settings: Settings,
    look: FeatureMaps,
    tell: Callable[[int, int], None],
) -> list[Inversion]:
    """Return the inversions of all photos, some at a time."""
    wanted = InversionSettings(
        row.space, weights, settings.optimizer, steps=settings.steps, start=settings.start, seed=settings.seed
    )
    parts = []
    for first in range(0, len(photos), AT_ONCE):
        some = slice(first, first + AT_ONCE)

        def progress(what: str, done: int, total: int, first: int = first, count: int = len(photos[some])) -> None:
            tell(first * total + done * count, len(photos) * total)

        parts.append(invert(row.generator, photos[some], wanted, look=look, names=names[some], progress=progress))
    return parts


def measured_side(rows: Sequence[Row]) -> int:
    """Return the size in pixels at which all rows are measured: that of the smallest generator."""
    return min(row.generator.resolution for row in rows)


def write_cell(
    row: Row,
    column: str,
    parts: Sequence[Inversion],
    photos: Float[Tensor, "n 3 r r"],
    place: Path,
    eyes: Eyes,
    side: int,
) -> Cell:
    """Write the latent of inverted photos and their numbers, with which the cell is finished; returns it. Images and
    photos are compared at `side` pixels.
    """
    latent = joined([part.latent for part in parts]).save(place.with_suffix(".safetensors"))
    cards = [card for part in parts for card in part.cards]
    shown = torch.cat([part.images for part in parts])
    near = eyes.near(*(pixels.resize(some.cpu().clamp(-1, 1), side, side) for some in (shown, photos)))
    cell = Cell(
        row.title,
        column,
        from_mean=tuple(card.from_mean for card in cards),
        seconds=sum(part.cards[0].seconds for part in parts),
        latent=latent.name,
        **{name: tuple(values) for name, values in near.items()},
    )
    write_json(place, asdict(cell))
    return cell


def numbers_of(cell: Cell) -> dict[str, Sequence[float]]:
    """Return a cell's measures of nearness and the seconds, photo by photo, as `studies.nearness` takes them."""
    count = len(cell.psnr)
    found = {name: getattr(cell, name) for name in DIGITS if getattr(cell, name) is not None}
    return found | {"seconds": [cell.seconds / count] * count}


@torch.no_grad()
def images_of(cell: Cell, generator: Generator, folder: Path, count: int) -> Float[Tensor, "n 3 r r"]:
    """Return what the first photos became in a cell."""
    latent = load_latent(folder / cell.latent)
    return torch.cat(list(latent.rows(range(min(count, len(latent)))).images(generator)))


def read_cell(place: Path) -> Cell:
    """Return a finished cell; raises `GanvasError` where its file is damaged."""
    try:
        held = json.loads(place.read_text("utf-8"))
        fields: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in held.items()}
        return Cell(**fields)
    except (ValueError, TypeError, AttributeError) as reason:
        raise GanvasError(
            f"'{place}' is a damaged cell of the table ({reason}); remove it to make it anew."
        ) from reason


def _record(
    rows: Sequence[Row],
    photos: Mapping[int, Tensor],
    names: Sequence[str],
    settings: Settings,
    losses: Mapping[str, Weights],
) -> dict[str, Any]:
    """Return what makes two tables the same; sums of the photos tell others of the same names apart."""
    hashes = [about_of(row.generator).hash for row in rows]
    record = {
        "table": [[row.title, digest] for row, digest in zip(rows, hashes, strict=True)],
        "photos": list(names),
        "sums": {str(side): round(float(some.double().sum()), 3) for side, some in sorted(photos.items())},
        "settings": asdict(settings),
        "measured at": measured_side(rows),
        "losses": {name: str(weights) for name, weights in losses.items()},
    }
    return json.loads(json.dumps(record))


def _slug(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter == "+" else "-" for letter in text.replace(" + ", "+"))
