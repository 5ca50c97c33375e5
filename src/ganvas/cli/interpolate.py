"""``ganvas interpolate``: a video from one latent to the next."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from ganvas.cli import numbers
from ganvas.cli.inside import Inside
from ganvas.cli.options import ImageResults, PhotoOptions, Source, latent_of_text
from ganvas.cli.show import progress
from ganvas.cli.types import Flag, Layers, Model, Space, VideoOut
from ganvas.edits.interpolate import LatentPath, frame_positions, path_through
from ganvas.edits.interpolate import ease as eased
from ganvas.edits.retime import path_timings
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.labels import label_of_each
from ganvas.generators.protocol import Generator
from ganvas.images.video import MISSING_VIDEO, can_write_mp4
from ganvas.io.result_folder import check_new_file, is_file_name
from ganvas.latents.noise import with_noise
from ganvas.metrics.features import SMALLEST, load_features
from ganvas.reports.path_report import path_lines, path_summary, write_path, write_videos

MOST_KEYS = 64


def interpolate(
    model: Model,
    /,
    *latents: str,
    frames: numbers.PathFrames = 48,
    mode: Literal["linear", "spherical"] = "linear",
    layers: Layers | None = None,
    ease: Flag = False,
    loop: Flag = False,
    retime: Flag = False,
    space: Space | None = None,
    mp4: Flag = False,
    truncation: numbers.Truncation | None = None,
    label: str | None = None,
    out: VideoOut = Path("interpolate"),
    inside: Inside = Inside(),
    noise_seed: numbers.Seed | None = None,
    no_tune: Flag = False,
    photo: PhotoOptions = PhotoOptions(),
    results: ImageResults = ImageResults(),
) -> None:
    """Make a video from one image to the next, and measure how evenly it moves.

    Writes, at the generator's size, interpolate.gif, .webp and with --mp4 .mp4, which run forward and back unless the
    path loops (--out NAME.webp: that video alone); interpolate.png, a strip of frames; steps.png and steps.json, the
    length of every step and the distance to the mean; latent.safetensors with the codes of all frames, unless latents
    were tuned for different photos: then the weights change from frame to frame. With --inside, every frame is the
    first image beyond the rim of the region.

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
        label: Class of seeds and photos, for generators that have classes: a number or a name; one for each latent with
            commas between, such as 1,207, to go from one class to another.
        noise_seed: Draw noise maps from this seed, the same for all frames; the generator's own by default.
        no_tune: Do not tune the generator's weights for photos.
    """
    positions = frame_positions(frames, loop)
    if (mp4 or out.suffix.lower() == ".mp4") and not can_write_mp4():
        raise GanvasError(MISSING_VIDEO)
    generator = results.load(model)
    sampled_in = "z" if space == "z" or mode == "spherical" else None
    labels = label_of_each(generator, label, len(latents))
    sources = [Source(truncation=truncation, label=one, photo=photo, no_tune=no_tune) for one in labels]
    keys = [latent_of_text(generator, text, source, sampled_in) for text, source in zip(latents, sources, strict=True)]
    keys = keys if noise_seed is None else [with_noise(generator, key, noise_seed) for key in keys]
    path = path_through(generator, keys, space=space, mode=mode, layers=layers, loop=loop)
    path = replace(path, confinement=inside.confinement(generator))
    _check(generator, path)
    measure = partial(path_timings, load_features(None, results.on()), generator, path, retimed=retime)
    shares = eased(positions) if ease else positions
    if is_file_name(out):
        with progress() as report:
            timings = measure(shares, progress=report)
            paths = [check_new_file(out, results.overwrite)]
            paths = write_videos(paths, generator, path, timings, results.files, report)
    else:
        with results.folder(out, generator) as folder, progress() as report:
            timings, kinds = measure(shares, progress=report), (".gif", ".webp", ".mp4")[: 2 + mp4]
            paths = write_path(folder.path, generator, path, timings, kinds, results.files, report)
    results.show("interpolate", path_lines(path, timings), paths, **path_summary(path, timings))


def _check(generator: Generator, path: LatentPath) -> None:
    if len(path.keys) > MOST_KEYS:
        raise LatentError(f"{len(path.keys)} latents are too many for one video; give at most {MOST_KEYS}.")
    if generator.resolution < SMALLEST:
        raise GanvasError(
            f"Steps are measured between images of {SMALLEST} pixels and more; those of this generator have "
            f"{generator.resolution}."
        )
