"""What an inversion leaves beside its latent: photos and images in pairs, numbers, curves, a video of the way."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ganvas.errors import ResultFileError
from ganvas.generators.protocol import about_of
from ganvas.images import pixels, sheets
from ganvas.inversion.batch import MOST_MOVING, Work
from ganvas.inversion.invert import Inversion
from ganvas.inversion.report_card import Card
from ganvas.io.files import atomic_path
from ganvas.reports.plots import can_plot, convergence_plot
from ganvas.reports.records import without_nan
from ganvas.reports.region_report import on_sheet

ACROSS, SECONDS_PER_FRAME, LONGEST_CAPTION = 8, 0.08, 20
Images = Float[Tensor, "n 3 h w"]


def write_inversion(folder: Path, work: Work, facts: Mapping[str, Any], video: bool = True) -> list[Path]:
    """Write all that there is of a work into a folder: latents, sheet, numbers, curves and video; returns the paths."""
    before = work.inversions()
    images = torch.cat([one.images for one in before])
    photos = work.photos[: len(images)]
    rows = {"photo": photos, "inverted": images}
    paths = write_latents(folder, work)
    if len(work.tuned) == len(images):
        rows["tuned"] = torch.cat([one.images for one in work.tuned.values()])
    names = [card.name for one in before for card in one.cards]
    paths.append(pixels.write_image(folder / "inverted.png", pairs_sheet(rows, names)))
    paths += write_numbers(folder, work.cards(), {**told(work), **facts})
    paths += write_curves(folder / "loss.png", work.curves())
    return paths + (write_video(folder / "way", photos, work.video()) if video else [])


def write_latents(folder: Path, work: Work) -> list[Path]:
    """Write the latents that there are of a work: of all photos (with the tuned weights where it is one photo), and
    else one for each photo that was tuned for; returns the paths.
    """
    paths = [work.latent().save(folder / "latent.safetensors")]
    return paths + ([_write_tuned(folder, one) for one in work.tuned.values()] if len(work.photos) > 1 else [])


def write_latest(folder: Path, work: Work) -> Path:
    """Write the latent of what a work has done last, so that whoever kills it loses no more than one part; returns the
    path.
    """
    if work.tuned and len(work.photos) > 1:
        return _write_tuned(folder, list(work.tuned.values())[-1])
    return work.latent().save(folder / "latent.safetensors")


def _write_tuned(folder: Path, one: Inversion) -> Path:
    """Write the latent of a photo that was tuned for, under a name that no other file of the folder has."""
    return one.latent.save(folder / f"tuned-{one.latent.names[0]}.safetensors")


def told(work: Work) -> dict[str, Any]:
    """Return the settings of a work in words and numbers, for a file."""
    wanted = work.settings
    run = work.finished[0].run
    return {
        "generator": about_of(work.generator).name,
        "space": wanted.space,
        "loss": str(wanted.weights),
        "perceptual_distance": run.look.name,
        "optimizer": wanted.optimizer,
        "schedule": wanted.schedule if wanted.optimizer == "adam" else "",
        "steps": wanted.steps,
        "start": run.start.name,
        "noise_maps": wanted.noise,
        "seed": wanted.seed,
        "tuning": None if work.tuning is None else {**asdict(work.tuning), "weights": str(work.tuning.weights)},
    }


def pairs_sheet(rows: Mapping[str, Images], captions: Sequence[str]) -> Float[Tensor, "1 3 height width"]:
    """Return one labeled image: a line for each of `rows` (photo, inverted, ...), a column for each photo, eight
    across.
    """
    blocks = []
    for first in range(0, len(captions), ACROSS):
        some = slice(first, first + ACROSS)
        names = [caption[:LONGEST_CAPTION] for caption in captions[some]]
        images = torch.cat([on_sheet(row[some].clamp(-1, 1)) for row in rows.values()])
        blocks.append(sheets.labeled_grid(images, len(names), names, list(rows)))
    width = max(block.shape[-1] for block in blocks)
    return torch.cat([functional.pad(block, (0, width - block.shape[-1]), value=1.0) for block in blocks], dim=2)


def video_frames(photos: Images, moments: Sequence[Images]) -> Float[Tensor, "moments 3 height width"]:
    """Return frames for an animation: the photos above what they looked like at every moment; six of those that every
    moment shows.
    """
    across = min(MOST_MOVING, len(photos), *(len(now) for now in moments))
    above = on_sheet(photos[:across])
    return torch.cat([sheets.grid(torch.cat([above, on_sheet(now[:across])]), across) for now in moments])


def kept_moments(steps: int, frames: int) -> set[int]:
    """Return the numbers of at most `frames` steps of 0 .. steps, close together where the most happens: at first."""
    places = np.linspace(0, 1, max(frames, 2)) ** 2
    return {round(float(place) * steps) for place in places}


def write_video(stem: Path, photos: Images, moments: Sequence[Images]) -> list[Path]:
    """Write the way of at least two moments as .gif and .webp; returns the paths."""
    if len(moments) < 2:
        return []
    frames = video_frames(photos, [*moments, *[moments[-1]] * 8])  # the end stands still for a moment
    return [pixels.write_animation(stem.with_suffix(kind), frames, SECONDS_PER_FRAME) for kind in (".gif", ".webp")]


def write_curves(path: Path, curves: Mapping[str, Sequence[float]]) -> list[Path]:
    """Draw the loss of every photo against the steps where matplotlib is installed; returns the path."""
    if not can_plot() or not any(len(values) > 1 for values in curves.values()):
        return []
    return [convergence_plot({name: np.array(values) for name, values in curves.items()}, path)]


def write_numbers(folder: Path, cards: Sequence[tuple[str, Card]], settings: Mapping[str, Any]) -> list[Path]:
    """Write ``numbers.csv``, a line for every card with the stage ("inverted", "tuned") that it tells of, and
    ``numbers.json`` with the settings too; returns the paths.
    """
    lines = [{"stage": stage, **card.as_dict()} for stage, card in cards]
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    text = json.dumps({"settings": dict(settings), "photos": [without_nan(line) for line in lines]}, indent=2)
    paths = []
    for name, content in (("numbers.csv", table.getvalue()), ("numbers.json", text + "\n")):
        with atomic_path(folder / name, ResultFileError) as temporary:
            temporary.write_text(content, "utf-8", newline="")
        paths.append(folder / name)
    return paths
