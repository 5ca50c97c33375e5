"""``python -m studies.inversion MODEL PHOTOS --out DIR``: what a generator's encoder saves.

Writes ``starts.md``, ``starts.json`` and ``starts.jpg``. What is finished is not computed again when the command is
given again with the same folder.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ganvas.checkpoints.load import load
from ganvas.comparisons.inversion.table import numbers_of
from ganvas.comparisons.reconstruction import reconstruction_metrics_for, reconstruction_table
from ganvas.comparisons.records import plain, write_json
from ganvas.comparisons.sheets import write_jpeg
from ganvas.images.datasets import open_images
from ganvas.inversion.encoder import encoder_for
from ganvas.io.files import atomic_path
from ganvas.io.process import keep_freed_memory, let_threads_wait
from ganvas.io.tensor_files import hash_tensors
from studies.inversion import starts
from studies.running import run_study, tell


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.inversion",
        description="The encoder's first reconstruction of photos against 100 and 300 steps of inversion into w+ from "
        "the mean, and against as many from the encoder. Given again with the same --out it goes on.",
    )
    parser.add_argument("model", help="a StyleGAN2: a bundled name or a file")
    parser.add_argument("photos", type=Path, help="a folder or a zip of photos; some from all over it are taken")
    parser.add_argument("--encoder", type=Path, help="its encoder (default: the one that comes with it)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--count", type=int, default=50, help="photos (50)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's own choice)")
    options = parser.parse_args(arguments)
    keep_freed_memory()
    return run_study(lambda: write(options), options.out, options.threads)


def write(options: argparse.Namespace) -> list[Path]:
    """Do what is left of the study and write its files; returns their paths."""
    generator, out = load(options.model), options.out
    encode = encoder_for(generator, options.encoder)
    held = open_images(options.photos, generator.resolution, fewest=options.count)
    photos = held.batch(held.spread(options.count))
    metrics = reconstruction_metrics_for(generator, options.model)
    cells = starts.run(
        generator,
        encode,
        photos,
        out / "cells",
        metrics,
        starts.WAYS,
        encoder_hash=hash_tensors(encode.state_dict()),
        progress=tell,
    )
    numbers = {way: numbers_of(cell) for way, cell in cells.items()}
    far = {way: sum(cell.from_mean) / len(cell.from_mean) for way, cell in cells.items()}
    words, kept = out / "starts.md", out / "starts.json"
    with atomic_path(words) as temporary:
        told = ", ".join(f"{way} {distance:.2f}" for way, distance in far.items())
        rows = reconstruction_table(numbers, metrics.features.name)
        text = f"{rows}\n{len(photos)} photos. From the mean, in standard deviations: {told}.\n"
        temporary.write_text(text, "utf-8")
    write_json(kept, plain(numbers))
    return [words, kept, write_jpeg(out / "starts.jpg", starts.sheet(photos, cells, generator, out / "cells"))]


if __name__ == "__main__":
    let_threads_wait()
    sys.exit(main())
