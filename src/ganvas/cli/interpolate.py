"""``ganvas interpolate``: a video from one latent to the next."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ganvas.cli.photo_codes import inverted, latent_of
from ganvas.cli.progress import progress
from ganvas.cli.shared import TRUNCATION, Common, Flag, device_named, make_folder, parse_rows, with_seconds, wrote
from ganvas.edits.interpolate import LatentPath, frame_positions, path_through
from ganvas.edits.interpolate import ease as eased
from ganvas.edits.retime import STEP, TARGET, Timing, time_path
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.codes import parse_seeds
from ganvas.generators.labels import label_of
from ganvas.generators.protocol import Generator
from ganvas.images import pixels, sheets
from ganvas.images.video import MISSING_VIDEO, can_write_mp4
from ganvas.inversion.photos import is_photo
from ganvas.io.files import atomic_path
from ganvas.latents.latent import Latent, sample_latent
from ganvas.metrics.features import SMALLEST, load_features
from ganvas.reports.path_plot import path_plot
from ganvas.reports.plots import can_plot
from ganvas.reports.region_report import on_sheet

SECONDS_PER_FRAME, MOST_FRAMES, MOST_KEYS = 0.06, 1000, 64
ON_STRIP = 9
AS_IT_MOVES, RETIMED = "even in the latent", "re-timed"


def interpolate(
    model: str,
    /,
    *latents: str,
    frames: int = 48,
    mode: Literal["linear", "spherical"] = "linear",
    layers: str | None = None,
    ease: Flag = False,
    loop: Flag = False,
    retime: Flag = False,
    space: Literal["z", "w", "w+", "s"] | None = None,
    mp4: Flag = False,
    truncation: float | None = None,
    label: str | None = None,
    out: Path = Path("interpolate"),
    common: Common = Common(),
) -> None:
    """Make a video from one image to the next, and measure how evenly it moves.

    Writes interpolate.gif, .webp and with --mp4 .mp4; interpolate.png, a strip of frames; steps.png and steps.json, the
    length of every step and the distance to the mean; latent.safetensors with the codes of all frames, unless latents
    were tuned for different photos: then the weights change from frame to frame. Videos of paths that do not loop go
    there and back.

    Parameters
    ----------
    model
        A bundled name (faces, cats), a name of the zoo or a file of a generator.
    latents
        Two or more, in order: seed:4 or seed:4,7; a latent file, all its rows, or FILE:ROWS such as my.safetensors:0-2;
        a photo, which is inverted first.
    frames
        Images on the way.
    mode
        linear, or spherical, in space z: codes keep the length that noise has.
    layers
        Change these rows of w+ only, such as 0-3; the others stay those of the first latent.
    ease
        Start and stop slowly.
    loop
        Come back to the first latent.
    retime
        Move evenly to the eye: equal perceptual steps instead of equal steps of the latent.
    space
        Where the path lies: w+ by default, z for spherical ones.
    mp4
        Write an MP4 too; needs the extra video.
    truncation
        Of seeds: 1 is none, 0 the average image; 0.7 by default.
    label
        Class of seeds and photos, for generators that have classes: a number or a name.
    out
        Folder for the results; files of an earlier run there are replaced.
    common
        Options of every command.
    """
    start = time.perf_counter()
    shares = _shares(frames, loop, ease)
    if mp4 and not can_write_mp4():
        raise GanvasError(MISSING_VIDEO)
    generator = common.load(model)
    given = [_read(generator, text, mode, space, truncation, label) for text in latents]
    path = path_through(generator, given, space=space, mode=mode, layers=layers, closed=loop)
    if len(path.keys) > MOST_KEYS:
        raise LatentError(f"{len(path.keys)} latents are too many for one video; give at most {MOST_KEYS}.")
    if generator.resolution < SMALLEST:
        raise GanvasError(
            f"Steps are measured between images of {SMALLEST} pixels and more; those of this generator have "
            f"{generator.resolution}."
        )
    make_folder(out)
    timings, network = {}, load_features(None, device_named(common.device))
    with progress() as report:
        for name in (AS_IT_MOVES, *([RETIMED] if retime else [])):
            timings[name] = time_path(network, generator, path, shares, evenly=name == RETIMED, progress=report)
    paths = _write(out, generator, path, timings, (".mp4",) if mp4 else ())
    said = [_in_words(name, timing) for name, timing in timings.items()]
    if not can_plot():
        said.append('no plot: it needs matplotlib, pip install "ganvas[plots]"')
    if path.tuned:
        said.append("no latent file: every frame is painted by weights of its own, between those that were tuned")
    summary = {"command": "interpolate", "files": paths} | _summary(path, timings)
    common.show([*said, *wrote(paths), with_seconds(start)], summary)


def _shares(frames: int, loop: bool, slowly: bool) -> np.ndarray:
    if frames > MOST_FRAMES:
        raise GanvasError(f"{frames} frames are too many for one video; give at most {MOST_FRAMES}.")
    positions = frame_positions(frames, loop)
    return eased(positions) if slowly else positions


def _read(
    generator: Generator, text: str, mode: str, space: str | None, truncation: float | None, label: str | None
) -> Latent:
    """Return the latent meant by ``seed:4``, ``FILE``, ``FILE:ROWS`` or a photo."""
    known = label_of(generator, label)
    if text.startswith("seed:"):
        return sample_latent(
            generator,
            parse_seeds(text.removeprefix("seed:")),
            label=known,
            truncation=TRUNCATION if truncation is None else truncation,
            space="z" if space == "z" or mode == "spherical" else None,
        )
    if is_photo(Path(text)):
        return inverted(Path(text), generator, known)
    file, colon, rows = text.rpartition(":")
    if not colon or Path(text).exists():
        file, rows = text, ""
    if not Path(file).exists() and not Path(file).suffix:
        raise LatentError(f"'{text}' is no latent: give seed:4, or a latent file, or rows of one as FILE:0-2.")
    latent = latent_of(Path(file), generator)
    return latent.rows(parse_rows(rows)) if rows else latent


def _write(
    out: Path, generator: Generator, path: LatentPath, timings: Mapping[str, Timing], more: tuple[str, ...]
) -> list[Path]:
    timing = list(timings.values())[-1]
    positions = timing.positions[:-1] if path.closed else timing.positions
    shown = torch.cat([on_sheet(some) for some in path.images(generator, positions)])
    video = shown if path.closed else torch.cat([shown, shown.flip(0)[1:-1]])
    written = [
        pixels.write_animation(out / f"interpolate{suffix}", video, SECONDS_PER_FRAME)
        for suffix in (".gif", ".webp", *more)
    ]
    written.append(pixels.write_image(out / "interpolate.png", _strip(generator, path, timings)))
    if can_plot():
        written.append(path_plot(timings, out / "steps.png"))
    written.append(out / "steps.json")
    with atomic_path(written[-1]) as temporary:
        temporary.write_text(json.dumps(_summary(path, timings), indent=1), "utf-8")
    return written if path.tuned else [*written, path.at(positions).save(out / "latent.safetensors")]


def _strip(generator: Generator, path: LatentPath, timings: Mapping[str, Timing]) -> torch.Tensor:
    """Return frames that lie evenly in time, a row for each timing."""
    last = len(next(iter(timings.values())).positions) - 1
    chosen = np.linspace(0, last, min(ON_STRIP, last + 1)).round().astype(int)
    rows = []
    for timing in timings.values():
        rows += [on_sheet(some) for some in path.images(generator, timing.positions[chosen])]
    names = list(timings) if len(timings) > 1 else ()
    return sheets.labeled_grid(torch.cat(rows), len(chosen), [f"frame {number}" for number in chosen], names)


def _in_words(name: str, timing: Timing) -> str:
    stds = timing.stds[~np.isnan(timing.stds)]
    far = f"; {stds.min():.2f} to {stds.max():.2f} deviations from the mean" if stds.size else ""
    even = np.allclose(np.diff(timing.shares), timing.shares[1])
    asked = "the mean" if even else "the largest that easing asks for"
    besides = f"; by SSIM, which re-timing does not see, {timing.structural_unevenness:.2f} times"
    return f"{name}: largest step {timing.unevenness:.2f} times {asked} (target {TARGET:g}){besides}{far}"


def _summary(path: LatentPath, timings: Mapping[str, Timing]) -> dict[str, Any]:
    return {
        "latents": list(path.keys.captions),
        "space": path.keys.space,
        "mode": path.mode,
        "loop": path.closed,
        "step": STEP,
        "target": TARGET,
        "timings": {name: timing.summary() for name, timing in timings.items()},
    }
