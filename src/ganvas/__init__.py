"""Ganvas: edit images through the latent space of a GAN, locally and with reason.

The public names are resolved when they are first used, so that importing the package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganvas.checkpoints.load import convert, info, load, named_regions
    from ganvas.directions.cached import HeldSearch, hold_search
    from ganvas.directions.direction import Direction, Directions, load_directions
    from ganvas.directions.find import find_directions
    from ganvas.directions.linalg import Ridge
    from ganvas.directions.settings import Search
    from ganvas.drag.session import drag_points
    from ganvas.edits.interpolate import path_through
    from ganvas.edits.mix import mix, mix_grid
    from ganvas.edits.move import edit, edit_series
    from ganvas.errors import (
        CheckpointError,
        GanvasError,
        ImageError,
        LatentError,
        RegionError,
        ResultFileError,
        UnsafeFileError,
    )
    from ganvas.generators.protocol import Generator
    from ganvas.generators.wrapped.wrap import wrap
    from ganvas.images.photos import read_photo, read_sketch
    from ganvas.images.pixels import read_image, write_image
    from ganvas.inversion.invert import invert
    from ganvas.inversion.loss_weights import LossWeights
    from ganvas.inversion.metrics import InversionMetrics
    from ganvas.inversion.open import open_latent
    from ganvas.inversion.prepare import Inversion
    from ganvas.inversion.settings import InversionSettings
    from ganvas.inversion.sketch.search import SketchResult, SketchSettings
    from ganvas.inversion.sketch.sketch import sketch
    from ganvas.inversion.tuning import TuningSettings
    from ganvas.io.process import keep_freed_memory
    from ganvas.latents.latent import Latent, load_latent, sample_latent
    from ganvas.regions import Region

__version__ = "0.2.0"

__all__ = [
    "CheckpointError",
    "Direction",
    "Directions",
    "GanvasError",
    "Generator",
    "HeldSearch",
    "ImageError",
    "Inversion",
    "InversionMetrics",
    "InversionSettings",
    "Latent",
    "LatentError",
    "LossWeights",
    "Region",
    "RegionError",
    "ResultFileError",
    "Ridge",
    "Search",
    "SketchResult",
    "SketchSettings",
    "TuningSettings",
    "UnsafeFileError",
    "convert",
    "drag_points",
    "edit",
    "edit_series",
    "find_directions",
    "hold_search",
    "info",
    "invert",
    "keep_freed_memory",
    "load",
    "load_directions",
    "load_latent",
    "mix",
    "mix_grid",
    "named_regions",
    "open_latent",
    "path_through",
    "read_image",
    "read_photo",
    "read_sketch",
    "sample_latent",
    "sketch",
    "wrap",
    "write_image",
]

_HOMES = {
    "checkpoints.load": ("convert", "info", "load", "named_regions"),
    "directions.direction": ("Direction", "Directions", "load_directions"),
    "drag.session": ("drag_points",),
    "edits.move": ("edit", "edit_series"),
    "errors": (
        "CheckpointError",
        "GanvasError",
        "LatentError",
        "LossWeights",
        "ImageError",
        "RegionError",
        "ResultFileError",
        "UnsafeFileError",
    ),
    "generators.protocol": ("Generator",),
    "generators.wrapped.wrap": ("wrap",),
    "images.pixels": ("read_image", "write_image"),
    "inversion.invert": ("invert",),
    "inversion.loss_weights": ("LossWeights",),
    "inversion.metrics": ("InversionMetrics",),
    "inversion.open": ("open_latent",),
    "inversion.prepare": ("Inversion",),
    "inversion.settings": ("InversionSettings",),
    "edits.interpolate": ("path_through",),
    "latents.latent": ("Latent", "load_latent", "sample_latent"),
    "directions.linalg": ("Ridge",),
    "directions.find": ("find_directions",),
    "directions.cached": ("HeldSearch", "hold_search"),
    "directions.settings": ("Search",),
    "edits.mix": ("mix", "mix_grid"),
    "images.photos": ("read_photo", "read_sketch"),
    "io.process": ("keep_freed_memory",),
    "regions": ("Region",),
    "inversion.sketch.search": ("SketchResult", "SketchSettings"),
    "inversion.sketch.sketch": ("sketch",),
    "inversion.tuning": ("TuningSettings",),
}


def __getattr__(name: str) -> Any:
    """Import the public name where it lives (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(importlib.import_module(f"ganvas.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'ganvas' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
