"""``ganvas edit``: images moved along a direction."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import torch
from cyclopts import Parameter

from ganvas.cli.context import COMMAND_LINE
from ganvas.cli.progress import progress
from ganvas.cli.shared import Codes, Common, make_folder, region_of, with_seconds, wrote
from ganvas.cli.strengths import Strength, default_strengths, frames_between, parse_strengths, words
from ganvas.directions.direction import Direction, Directions, load_directions
from ganvas.edits.move import edit as move
from ganvas.edits.move import space_of
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.protocol import Generator
from ganvas.images import pixels, sheets
from ganvas.io.tensor_files import is_ours
from ganvas.latents.latent import Latent
from ganvas.reports.region_report import Edit, compare_rows, describe, on_sheet

DEFAULT_SEEDS = "4-7"
MOST_MOVING = 4
SECONDS_PER_FRAME = 0.06


def edit(
    model: str,
    directions: Path,
    /,
    *,
    index: int = 0,
    strength: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    add: Annotated[list[str] | None, Parameter(negative=())] = None,
    seeds: str | None = None,
    layers: str | None = None,
    space: Literal["z", "w", "w+", "s"] | None = None,
    region: str | None = None,
    frames: int = 24,
    out: Path = Path("edit"),
    codes: Codes = Codes(),
    common: Common = Common(),
) -> None:
    """Move images along a direction, all by the same strengths.

    Writes edit.png, edit.gif, edit.webp, edit.html, and latent.safetensors with the codes of every edited image.

    Parameters
    ----------
    model
        A bundled name (faces, cats), a name of the zoo or a file of a generator.
    directions
        A directions file of ganvas directions, or directions of others: .npy, .npz, .pt, .pkl or text.
    index
        Which direction of the file, counted from 0.
    strength
        One, a list such as -3,0,3, or a series start:stop:count such as -3:3:7. Distances, or with s (-2s:2s:5) in
        standard deviations. -6s:6s:7 by default; -6:6:7 where the file does not say how far a deviation is.
    add
        Another direction at a fixed strength and on layers of its own, added to every image first: INDEX:STRENGTH of
        the same file, or FILE:INDEX:STRENGTH. May be given several times.
    seeds
        Which images, such as 1,5,8-11; 4-7 by default.
    layers
        Layers to edit, such as 3-5, instead of those that the direction was found for; or all.
    space
        Space of the directions in files of others, which do not say it; w or w+ by their shape by default.
    region
        The region to outline and to measure; that of the directions by default.
    frames
        Images in the animations, 0 for none.
    out
        Folder for the results; files of an earlier run there are replaced.
    codes
        Which images, and how they are truncated.
    common
        Options of every command.
    """
    start = time.perf_counter()
    strengths = parse_strengths(strength) if strength else ()
    if frames != 0 and not 2 <= frames <= 200:
        raise GanvasError(f"{frames} frames make no animation; give 2 to 200, or 0 for none.")
    generator = common.load(model)
    found = _fitting(directions, generator, space)
    strengths = strengths or default_strengths(found)
    step = Edit(_pick(found, index, directions), strengths, f"direction {index}", _layers(generator, layers))
    step = replace(step, before=tuple(_added(text, found, directions, generator, space) for text in add or ()))
    mask = _mask(generator, found, region)
    latent = _with_label(codes, found).read(generator, seeds, DEFAULT_SEEDS, "z" if found.space == "z" else None)
    make_folder(out)
    with progress() as report:
        shown = compare_rows(generator, latent, step, mask, report)
    paths = [pixels.write_image(out / "edit.png", shown.sheet(words(strengths)))]
    facts = _facts(found, step, latent)
    paths.append(shown.write_page(out / "edit.html", f"{directions.stem}, direction {index}", facts))
    paths.append(edited_latent(generator, latent, step).save(out / "latent.safetensors"))
    if frames:
        moving = _animation(generator, latent.rows(range(min(len(latent), MOST_MOVING))), step, frames)
        paths += [pixels.write_animation(out / f"edit.{kind}", moving, SECONDS_PER_FRAME) for kind in ("gif", "webp")]
    changes = [
        {"row": strip.label, "strengths": strip.strengths, "inside": strip.inside, "outside": strip.outside}
        for strip in shown.strips
    ]
    common.show([*wrote(paths), with_seconds(start)], {"command": "edit", "files": paths, "changes": changes})


def edited_latent(generator: Generator, latent: Latent, step: Edit) -> Latent:
    """Return the codes of every row at every strength, row by row."""
    generator = latent.generator_for(generator)
    many = [row for row in range(len(latent)) for _ in step.strengths]
    begun = step.start(generator, latent)
    moved = [move(generator, begun, step.direction, strength, step.layers) for strength in step.strengths]
    captions = [f"{row} at {word}" for row in latent.captions for word in words(step.strengths)]
    return replace(
        latent.rows(many),
        codes=torch.stack(moved, dim=1).flatten(0, 1).cpu(),
        space=space_of(moved[0], step.direction),
        names=tuple(captions),
    )


def _fitting(path: Path, generator: Generator, space: str | None) -> Directions:
    found = load_directions(path, space, generator)
    found.check_fits(generator)
    return found


def _pick(found: Directions, index: int, path: Path) -> Direction:
    if not 0 <= index < len(found):
        raise LatentError(f"Direction {index} does not exist: '{path}' has directions 0-{len(found) - 1}.")
    return found[index]


def _added(
    text: str, found: Directions, path: Path, generator: Generator, space: str | None
) -> tuple[Direction, Strength]:
    """Read ``INDEX:STRENGTH`` or ``FILE:INDEX:STRENGTH``."""
    *file, index, strength = ["", "", *text.rsplit(":", 2)][-3:]
    if not index.isdecimal():
        raise LatentError(f"'{text}' is not a direction to add; write INDEX:STRENGTH or FILE:INDEX:STRENGTH.")
    strengths = parse_strengths(strength) if strength else ()
    if len(strengths) != 1:
        raise LatentError(f"'{text}' gives {len(strengths)} strengths; what is added has one.")
    name = Path(file[0]) if file[0] else path
    # Our own files say their space.
    source = _fitting(name, generator, None if is_ours(name) else space) if file[0] else found
    return _pick(source, int(index), name), strengths[0]


def _with_label(codes: Codes, found: Directions) -> Codes:
    """Return the options with the class that the directions were found at, where none was given."""
    if codes.latent is not None or codes.label is not None or not isinstance(found.origin.label, int):
        return codes
    return replace(codes, label=str(found.origin.label))


def _layers(generator: Generator, layers: str | None) -> str | None:
    return f"0-{generator.layers - 1}" if layers == "all" and generator.layers else layers


def _mask(generator: Generator, found: Directions, region: str | None) -> torch.Tensor | None:
    if region is None:
        return found.mask
    return region_of(generator, region)[1].split(generator.resolution, generator.resolution)[0]


def _facts(found: Directions, step: Edit, latent: Latent) -> dict[str, str]:
    std = step.direction.std
    added = [f"{one.origin.region_name or 'direction'} at {words((amount,))[0]}" for one, amount in step.before]
    facts = {
        **describe(found),
        "edited layers": str(step.layers or ""),
        "one deviation (1s)": f"{std:.3g}" if std == std else "",
        "added first": ", ".join(added),
        "images": ", ".join(latent.captions),
        "their class": str(latent.label) if isinstance(latent.label, int) else "",
        "their truncation": f"{latent.truncation:g}",
        "command": COMMAND_LINE.get(),
    }
    return {name: text for name, text in facts.items() if text}


def _animation(generator: Generator, latent: Latent, step: Edit, frames: int) -> torch.Tensor:
    """Return frames there and back, the rows side by side."""
    lengths: Sequence[float] = frames_between(step.direction, step.strengths, frames)
    images = replace(step, strengths=tuple(lengths)).images(generator, latent)
    there = torch.cat([sheets.strip(on_sheet(moment)) for moment in images.transpose(0, 1)])
    return torch.cat([there, there.flip(0)[1:-1]])
