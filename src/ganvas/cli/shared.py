"""Options that several commands have, and how all commands show what they did."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from cyclopts import Parameter

from ganvas.checkpoints.load import load, named_regions
from ganvas.cli.context import visible
from ganvas.cli.photo_codes import latent_of
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.codes import parse_seeds
from ganvas.generators.labels import class_names, label_of
from ganvas.generators.protocol import CanMove, Generator, about_of
from ganvas.inversion.photos import is_photo
from ganvas.io.tensor_files import is_ours
from ganvas.latents.latent import Latent, sample_latent
from ganvas.regions import Region
from ganvas.regions.named import FFHQ
from ganvas.regions.text import parse_region

TRUNCATION = 0.7
MOST_FRAMES = 200
Flag = Annotated[bool, Parameter(negative=())]


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of every command."""

    device: str = "cpu"
    """Where to compute: cpu, cuda, cuda:1, mps."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the generator's convolutions; bfloat16 takes about half the time, with errors of about 1 % of the contrast."""
    rotate: float = 0.0
    """Turn the images of a StyleGAN3 by so many degrees, counter-clockwise."""
    translate: str | None = None
    """Move the images of a StyleGAN3 by X,Y in fractions of the width, right and down."""
    json: Flag = False
    """Print a machine-readable summary on stdout instead of text."""
    debug: Flag = False
    """Print the traceback of an error."""

    def load(self, source: str) -> Generator:
        """Return the generator on the device; raises `GanvasError` where there is no such device."""
        generator = load(source, device_named(self.device), getattr(torch, self.precision))
        if self.rotate == 0 and self.translate is None:
            return generator
        if not isinstance(generator, CanMove):
            raise GanvasError("--rotate and --translate are for StyleGAN3; this generator cannot move its images.")
        return generator.transformed(rotate=self.rotate, translate=_pair(self.translate or "0,0"))

    def show(self, lines: Sequence[str], summary: Mapping[str, Any]) -> None:
        """Print the summary as JSON with ``--json``, else the lines."""
        show(lines, summary, self.json)


@Parameter(name="*")
@dataclass(frozen=True)
class Codes:
    """Options on which images to work."""

    latent: Path | None = None
    """A latent file to use instead of --seeds, codes of others (.npy, .npz, .pt, .pkl, text), or a photo, which is
    inverted first."""
    latent_space: str | None = None
    """Space of the codes in a file of others, where neither it nor their shape says it: z, w, w+ or s."""
    rows: str | None = None
    """Rows of the latent file, counted from 0, such as 0-3; all by default."""
    truncation: float | None = None
    """Truncation psi: 1 is none, 0 the average image; 0.7 by default."""
    truncation_layers: int | None = None
    """Truncate only this many first layers; all by default."""
    label: str | None = None
    """Class of generators that have classes: a number or a name; one for each image with commas between.
    ganvas edit takes that of the directions by default."""

    def read(self, generator: Generator, seeds: str | None, default: str, space: str | None = None) -> Latent:
        """Return the codes of the latent file, else of the seeds, else of the `default` seeds."""
        if self.latent is not None:
            photo = is_photo(self.latent)
            ours = not photo and is_ours(self.latent)
            self.refuse_beside("A photo has" if photo else "A latent file holds", seeds, label=ours)
            latent = latent_of(self.latent, generator, None if ours else self.label_for(generator), self.latent_space)
            return latent if self.rows is None else latent.rows(parse_rows(self.rows))
        if self.rows is not None:
            raise LatentError("--rows chooses rows of a latent file; give --latent FILE, or choose --seeds.")
        if self.latent_space is not None:
            raise LatentError("--latent-space is that of the codes in a file; give --latent FILE, or leave it out.")
        return sample_latent(
            generator,
            parse_seeds(default if seeds is None else seeds),
            label=self.label_for(generator),
            truncation=TRUNCATION if self.truncation is None else self.truncation,
            truncation_layers=self.truncation_layers,
            space=space,
        )

    def label_for(self, generator: Generator) -> int | tuple[int, ...] | None:
        """Return the classes meant by --label, None where it was not given."""
        return label_of(generator, self.label)

    def refuse_beside(self, what: str, seeds: str | None = None, label: bool = True) -> None:
        """Raise `LatentError` where an option was given that `what` settles already."""
        given = {
            "--seeds": seeds,
            "--truncation": self.truncation,
            "--truncation-layers": self.truncation_layers,
            "--label": self.label if label else None,
        }
        for option, value in given.items():
            if value is not None:
                raise LatentError(f"{what} its own {option.strip('-').replace('-', ' ')}; leave {option} out.")


def _pair(text: str) -> tuple[float, float]:
    try:
        x, y = map(float, text.split(","))
    except ValueError:
        raise GanvasError(f"'{text}' is no translation; write X,Y such as 0.25,-0.1.") from None
    return x, y


def device_named(name: str) -> torch.device:
    """Return the device of this name, for "auto" the first CUDA device or the CPU; raises `GanvasError` where there is
    no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(1, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise GanvasError(f"Device '{name}' cannot be used on this machine; give cpu, or one it has.") from error


def show(lines: Sequence[str], summary: Mapping[str, Any], as_json: bool) -> None:
    """Print the summary as JSON, or the lines."""
    print(json.dumps(_plain(summary), indent=2) if as_json else visible("\n".join(lines)))


def parse_rows(text: str) -> list[int]:
    """Return the rows meant by "0", "0-3" or "1,4"."""
    try:
        return parse_seeds(text)
    except LatentError:
        raise LatentError(f"'{text}' does not name rows; write '0', '0-3' or '1,4-6'.") from None


def region_of(generator: Generator, text: str) -> tuple[str, Region]:
    """Return the region that the text means, and the name that it goes by.

    A generator without named regions and classes is offered those of FFHQ as ``ffhq_eyes`` and so on.
    """
    faces = {} if class_names(generator) else {f"ffhq_{name}": region for name, region in FFHQ.items()}
    named = dict(named_regions(generator)) or faces
    return text.strip(), parse_region(text, named)


def layers_of(generator: Generator, space: str, layers: str | None) -> str | None:
    """Return the layers as typed; by default those that the generator recommends; None for all."""
    if layers == "all" or space == "z" or generator.layers == 0:
        return None if layers == "all" else layers
    return layers or about_of(generator).edit_layers or None


def check_frames(frames: int) -> None:
    """Raise `GanvasError` for a number of frames that makes no video; 0 stands for none."""
    if frames != 0 and not 2 <= frames <= MOST_FRAMES:
        raise GanvasError(f"{frames} frames make no video; give 2 to {MOST_FRAMES}, or 0 for none.")


def make_folder(out: Path) -> None:
    """Make the folder for the results, before the work that would be lost without it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GanvasError(f"The folder '{out}' cannot be made: {error.strerror}; give another with --out.") from error


def with_seconds(start: float) -> str:
    """Return the line that ends a command's output."""
    return f"{time.perf_counter() - start:.1f} seconds"


def wrote(paths: Sequence[Path]) -> list[str]:
    """Return the lines that name what was written."""
    return [f"wrote {path}" for path in paths]


def _plain(value: Any) -> Any:
    """Turn paths into text and numbers that JSON lacks (nan) into null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
