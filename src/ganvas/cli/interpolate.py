"""``ganvas interpolate``: a video from one latent to the next."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from ganvas.cli import numbers
from ganvas.cli.options import Loading, Source
from ganvas.cli.show import progress
from ganvas.cli.types import Flag, Layers, Model, Out, Space, parse_samples
from ganvas.edits.interpolate import LatentPath, frame_positions, path_through
from ganvas.edits.interpolate import ease as eased
from ganvas.edits.retime import time_path
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.codes import parse_seeds
from ganvas.generators.protocol import Generator
from ganvas.images.video import MISSING_VIDEO, can_write_mp4
from ganvas.inversion.photos import is_photo
from ganvas.io.files import make_folder
from ganvas.latents.latent import Latent
from ganvas.metrics.features import SMALLEST, load_features
from ganvas.reports.path_report import path_lines, path_summary, write_path

MOST_FRAMES, MOST_KEYS = 1000, 64
EVEN, RETIMED = "even in the latent", "re-timed"


def interpolate(
    model: Model,
    /,
    *latents: str,
    frames: numbers.Frames = 48,
    mode: Literal["linear", "spherical"] = "linear",
    layers: Layers | None = None,
    ease: Flag = False,
    loop: Flag = False,
    retime: Flag = False,
    space: Space | None = None,
    mp4: Flag = False,
    truncation: numbers.Truncation | None = None,
    label: str | None = None,
    out: Out = Path("interpolate"),
    loading: Loading = Loading(),
) -> None:
    """Make a video from one image to the next, and measure how evenly it moves.

    Writes interpolate.gif, .webp and with --mp4 .mp4; interpolate.png, a strip of frames; steps.png and steps.json, the
    length of every step and the distance to the mean; latent.safetensors with the codes of all frames, unless latents
    were tuned for different photos: then the weights change from frame to frame. Videos of paths that do not loop run
    forward and back.

    Args:
        latents: Two or more, in order: seed:4 or seed:4,7; a latent file, all its samples, or FILE:SAMPLES such as
            my.safetensors:0-2; a photo, which is inverted first.
        frames: Frames on the way.
        mode: linear, or spherical, in space z: codes keep the length that noise has.
        layers: Change these layers of w+ only, such as 0-3; the others stay those of the first latent.
        ease: Start and stop slowly.
        loop: Come back to the first latent.
        retime: Constant perceptual speed: equal perceptual steps instead of equal steps of the latent.
        space: Where the path lies: w+ by default, z for spherical ones.
        mp4: Write an MP4 too; needs the extra video.
        truncation: Truncation psi of seeds: 1 is none, 0 the average image; 0.7 by default.
        label: Class of seeds and photos, for generators that have classes: a number or a name.
    """
    if frames > MOST_FRAMES:
        raise GanvasError(f"{frames} frames are too many for one video; give at most {MOST_FRAMES}.")
    positions = frame_positions(frames, loop)
    if mp4 and not can_write_mp4():
        raise GanvasError(MISSING_VIDEO)
    generator = loading.load(model)
    sampled_in = "z" if space == "z" or mode == "spherical" else None
    keys = [_read(generator, text, Source(truncation=truncation, label=label), sampled_in) for text in latents]
    path = path_through(generator, keys, space=space, mode=mode, layers=layers, loop=loop)
    _check(generator, path)
    make_folder(out)
    timings, network = {}, load_features(None, loading.on())
    shares = eased(positions) if ease else positions
    with progress() as report:
        for name in (EVEN, RETIMED)[: 1 + retime]:
            timings[name] = time_path(network, generator, path, shares, evenly=name == RETIMED, progress=report)
    paths = write_path(out, generator, path, timings, (".gif", ".webp", ".mp4")[: 2 + mp4])
    loading.show("interpolate", path_lines(path, timings), paths, **path_summary(path, timings))


def _check(generator: Generator, path: LatentPath) -> None:
    if len(path.keys) > MOST_KEYS:
        raise LatentError(f"{len(path.keys)} latents are too many for one video; give at most {MOST_KEYS}.")
    if generator.resolution < SMALLEST:
        raise GanvasError(
            f"Steps are measured between images of {SMALLEST} pixels and more; those of this generator have "
            f"{generator.resolution}."
        )


def _read(generator: Generator, text: str, source: Source, space: str | None) -> Latent:
    """Return the latent meant by ``seed:4``, ``FILE``, ``FILE:SAMPLES`` or a photo."""
    if text.startswith("seed:"):
        return source.read(generator, parse_seeds(text.removeprefix("seed:")), space)
    file, colon, samples = text.rpartition(":")
    if not colon or Path(text).exists():
        file, samples = text, ""
    path = Path(file)
    if not path.exists() and not path.suffix:
        raise LatentError(f"'{text}' is no latent: give seed:4, a latent file, or samples of one as FILE:0-2.")
    chosen = parse_samples(samples) if samples else None
    label = source.label if is_photo(path) else None
    return replace(source, latent=path, samples=chosen, truncation=None, label=label).read(generator, ())
