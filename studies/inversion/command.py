"""How much inversion a generator's encoder saves."""

from pathlib import Path

from ganvas.checkpoints.load import load
from ganvas.comparisons.inversion.table import numbers_of
from ganvas.comparisons.reconstruction import reconstruction_metrics_for, reconstruction_table
from ganvas.comparisons.sheets import write_jpeg
from ganvas.images.datasets import open_images
from ganvas.inversion.encoder import encoder_for
from ganvas.io.json_files import plain, write_json
from ganvas.io.tensor_files import hash_tensors
from studies.command import Out, Photos, Threads, show_progress
from studies.files import write_text
from studies.inversion import starts


def study(
    model: str, photos: Photos, /, *, out: Out, encoder: Path | None = None, count: int = 50, threads: Threads = None
) -> list[Path]:
    """Compare the encoder's reconstruction of photos with inversion into w+ from the mean and from the encoder.

    Inversion takes 100 and 300 steps. Writes ``starts.md``, ``starts.json`` and ``starts.jpg``.

    Args:
        model: A StyleGAN2: a bundled name, a name of the zoo, or a file.
        encoder: Its encoder; by default the one that comes with it.
        count: Number of photos.
    """
    generator = load(model)
    encode = encoder_for(generator, encoder)
    held = open_images(photos, generator.resolution, fewest=count)
    images = held.batch(held.spread(count))
    metrics = reconstruction_metrics_for(generator, model)
    folder, weights = out / "cells", hash_tensors(encode.state_dict())
    cells = starts.run(
        generator, encode, images, folder, metrics, starts.WAYS, encoder_hash=weights, progress=show_progress
    )
    numbers = {way: numbers_of(cell) for way, cell in cells.items()}
    distances = ", ".join(f"{way} {sum(cell.from_mean) / len(cell.from_mean):.2f}" for way, cell in cells.items())
    table = reconstruction_table(numbers, metrics.features.name)
    text = f"{table}\n{len(images)} photos. From the mean, in standard deviations: {distances}.\n"
    written = [write_text(out / "starts.md", text), out / "starts.json"]
    write_json(written[1], plain(numbers, str))
    return [*written, write_jpeg(out / "starts.jpg", starts.sheet(images, cells, generator, folder))]
