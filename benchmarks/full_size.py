"""Every command that makes images, on a large generator with random weights: how large its files are, and how much
memory it takes at most. Time is no claim here: it is that of one run, on a machine that may do other things too.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.machine import duration, run_measured
from benchmarks.subjects import subject
from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from ganvas.images.decoding import opened
from ganvas.images.pixels import write_image
from ganvas.latents.latent import sample
from ganvas.reports.sheet_size import on_sheet

SIZES = (512, 1024)
COMMANDS = {
    "sample": ("--seeds", "0-99"),
    "edit": ("direction.npy", "--seeds", "4-5", "--strength", "-3,3", "--frames", "12"),
    "interpolate": ("seed:4", "seed:7", "--frames", "24", "--mp4"),
    "invert": ("photo.png", "--steps", "15", "--frames", "8", "--tune", "0"),
    "drag": ("--point", "0.4,0.5>0.45,0.5", "--steps", "15", "--frames", "8"),
    "sketch": ("sketch.png", "--steps", "6", "--nearest", "4", "--candidates", "1"),
}
LIMIT = 3  # GiB


def run(sizes: tuple[int, ...] = SIZES) -> Iterator[str]:
    """Yield the lines of a Markdown table, a line for each command and size."""
    yield from ("| command | files | time | peak memory |", "|---|---|---|---|")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            _write_inputs(Path(folder), size)
            for command, arguments in COMMANDS.items():
                yield _row(Path(folder), size, command, arguments)


def _write_inputs(folder: Path, size: int) -> None:
    """Write a generator, a direction, and one of its images as photo and as sketch."""
    generator = subject(size)
    save_generator(folder / f"{size}px.safetensors", generator, About(f"random-{size}", "", {}))
    direction = np.random.RandomState(0).randn(1, generator.dimensions("w")[0])
    np.save(folder / "direction.npy", direction / np.linalg.norm(direction))
    image = next(sample(generator, [1], truncation=0.7).images(generator))
    write_image(folder / "photo.png", image)
    with opened(folder / "photo.png") as photo:
        photo = photo.convert("RGBA")
        photo.putalpha(Image.linear_gradient("L").resize(photo.size).point(lambda value: 255 * (value > 128)))
        photo.save(folder / "sketch.png")
    assert on_sheet(image).shape[-1] < size, "sheets are smaller than this generator's images"


def _row(folder: Path, size: int, command: str, arguments: tuple[str, ...]) -> str:
    model, out = f"{size}px.safetensors", folder / command
    words = [command, model, *arguments]
    begun = time.perf_counter()
    _, peak = run_measured("ganvas", *words, "--out", str(out), folder=folder)
    seconds = time.perf_counter() - begun
    mark = "" if peak < LIMIT else " (above 3 GiB)"
    return f"| `{' '.join(words)}` | {_files(out, size)} | {duration(seconds)} | {peak:.2f} GiB{mark} |"


def _files(out: Path, size: int) -> str:
    """Return how many images and videos of the generator's size there are, and which other images, such as sheets."""
    full, others = Counter[str](), []
    for path in sorted(out.rglob("*.*")):
        if path.suffix in (".png", ".gif", ".webp"):
            with opened(path) as image:
                if image.size == (size, size):
                    full[path.suffix] += 1
                else:
                    others.append(f"{path.name} {image.width} x {image.height}")
        elif path.suffix == ".mp4":
            full[path.suffix] += _video_size(path) == (size, size)
    counts = ", ".join(f"{count} {kind[1:].upper()}" for kind, count in sorted(full.items()))
    return f"{counts} of {size} px; {', '.join(others)}"


def _video_size(path: Path) -> tuple[int, int]:
    import av

    with av.open(str(path)) as video:
        return video.streams.video[0].width, video.streams.video[0].height
