"""Ganvas: edit pictures through the latent space of a GAN, locally and with reason.

The public names are resolved when they are first used, so that importing the package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganvas.checkpoints.files import convert, info, load, regions
    from ganvas.directions import Direction, Directions, load_directions
    from ganvas.drag.session import drag_points
    from ganvas.edits import edit, edit_series
    from ganvas.errors import (
        CheckpointError,
        GanvasError,
        LatentError,
        PictureError,
        RegionError,
        ResultFileError,
        UnsafeFileError,
    )
    from ganvas.generators.protocol import Generator
    from ganvas.generators.wrap import wrap
    from ganvas.images import read_picture, write_picture
    from ganvas.interpolation import path_through
    from ganvas.inversion.invert import Inversion, InversionSettings, invert
    from ganvas.latent_files import Latent, load_latent, sample_latent
    from ganvas.linalg import Ridge
    from ganvas.methods import find_directions
    from ganvas.methods.held import HeldSearch, hold_search
    from ganvas.methods.search import Search
    from ganvas.mixing import mix, mix_grid
    from ganvas.photos import read_photo, read_sketch
    from ganvas.process import keep_freed_memory
    from ganvas.region import Region
    from ganvas.scribble.paint import Painting, ScribbleSettings, paint_sketch

__all__ = [
    "CheckpointError",
    "Direction",
    "Directions",
    "GanvasError",
    "Generator",
    "HeldSearch",
    "Inversion",
    "InversionSettings",
    "Latent",
    "LatentError",
    "Painting",
    "PictureError",
    "Region",
    "RegionError",
    "ResultFileError",
    "Ridge",
    "ScribbleSettings",
    "Search",
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
    "paint_sketch",
    "path_through",
    "read_photo",
    "read_picture",
    "read_sketch",
    "regions",
    "sample_latent",
    "wrap",
    "write_picture",
]

_HOMES = {
    "checkpoints.files": ("convert", "info", "load", "regions"),
    "directions": ("Direction", "Directions", "load_directions"),
    "drag.session": ("drag_points",),
    "edits": ("edit", "edit_series"),
    "errors": (
        "CheckpointError",
        "GanvasError",
        "LatentError",
        "PictureError",
        "RegionError",
        "ResultFileError",
        "UnsafeFileError",
    ),
    "generators.protocol": ("Generator",),
    "generators.wrap": ("wrap",),
    "images": ("read_picture", "write_picture"),
    "inversion.invert": ("Inversion", "InversionSettings", "invert"),
    "interpolation": ("path_through",),
    "latent_files": ("Latent", "load_latent", "sample_latent"),
    "linalg": ("Ridge",),
    "methods": ("find_directions",),
    "methods.held": ("HeldSearch", "hold_search"),
    "methods.search": ("Search",),
    "mixing": ("mix", "mix_grid"),
    "photos": ("read_photo", "read_sketch"),
    "process": ("keep_freed_memory",),
    "region": ("Region",),
    "scribble.paint": ("Painting", "ScribbleSettings", "paint_sketch"),
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
