# The public names, each with the module that defines it: for type checkers, and for lazy_loader, which reads this file.
from .checkpoints.load import convert, info, load, named_regions
from .directions.cached import CachedSearch, cache_jacobians
from .directions.direction import Direction, Directions
from .directions.files import load_directions
from .directions.find import find_directions
from .directions.ganspace import GANSpace
from .directions.lelsd import LELSD
from .directions.linalg import Ridge
from .directions.localbasis import LocalBasis
from .directions.lowrankgan import LowRankGAN
from .directions.panda import PandA
from .directions.random import RandomDirections
from .directions.resefa import ReSeFa
from .directions.sefa import SeFa
from .directions.stylespace import StyleSpace
from .drag.draggan import DragGANSettings
from .drag.freedrag import FreeDragSettings
from .drag.session import DragSession, drag_points, open_drag
from .edits.borrow import borrow, rank_sources
from .edits.confine import ConfinedImages, ConfineSettings, confine
from .edits.correct import CorrectedEdit
from .edits.follow import FollowedEdit
from .edits.interpolate import LatentPath, path_through
from .edits.mix import mix, mix_grid
from .edits.move import edit, edit_series
from .edits.paste_back import PastedPhoto, paste_back
from .edits.recipe import Recipe, load_recipe
from .edits.render import render
from .edits.retime import Timing, retime
from .errors import (
    CheckpointError,
    GanvasError,
    ImageError,
    LatentError,
    RegionError,
    ResultFileError,
    TrainingError,
    UnsafeFileError,
)
from .generators.protocol import Generator
from .generators.wrapped.wrap import wrap
from .images.photos import read_photo, read_sketch
from .images.pixels import read_image, write_image
from .images.show import show
from .images.video import write_animation
from .inversion.invert import invert
from .inversion.loss_weights import LossWeights
from .inversion.metrics import InversionMetrics
from .inversion.open import open_latent, open_photo
from .inversion.photos import PhotoSettings, align_photo
from .inversion.prepare import Inversion
from .inversion.settings import InversionSettings
from .inversion.sketch.search import SketchResult, SketchSettings
from .inversion.sketch.sketch import sketch
from .inversion.tuning import TuningSettings
from .io.process import keep_freed_memory
from .latents.files import load_latent
from .latents.latent import Latent, sample
from .metrics.evaluation import Evaluation, evaluate
from .parts.click import ClickFeatures
from .parts.find import find_parts
from .parts.labels import learn_parts
from .parts.text import part
from .regions import Region
from .regions.part import Part
from .regions.part_files import load_parts
from .regions.part_model import PartModel
from .training.adapt.adaptation import AdaptationSettings
from .training.encoder.train import train_encoder
from .training.encoder.training import EncoderSettings
from .training.events import TrainingEvent
from .training.gan.biggan import BigGANSettings
from .training.gan.dcgan import DCGANSettings
from .training.gan.r3gan import R3GANSettings
from .training.gan.stylegan2 import StyleGAN2Settings
from .training.gan.stylegan3 import StyleGAN3Settings
from .training.gan.task import RunSchedule
from .training.train import train

__version__: str
__all__ = [
    "LELSD",
    "AdaptationSettings",
    "BigGANSettings",
    "CachedSearch",
    "CheckpointError",
    "ClickFeatures",
    "ConfineSettings",
    "ConfinedImages",
    "CorrectedEdit",
    "DCGANSettings",
    "Direction",
    "Directions",
    "DragGANSettings",
    "DragSession",
    "EncoderSettings",
    "Evaluation",
    "FollowedEdit",
    "FreeDragSettings",
    "GANSpace",
    "GanvasError",
    "Generator",
    "ImageError",
    "Inversion",
    "InversionMetrics",
    "InversionSettings",
    "Latent",
    "LatentError",
    "LatentPath",
    "LocalBasis",
    "LossWeights",
    "LowRankGAN",
    "PandA",
    "Part",
    "PartModel",
    "PastedPhoto",
    "PhotoSettings",
    "R3GANSettings",
    "RandomDirections",
    "ReSeFa",
    "Recipe",
    "Region",
    "RegionError",
    "ResultFileError",
    "Ridge",
    "RunSchedule",
    "SeFa",
    "SketchResult",
    "SketchSettings",
    "StyleGAN2Settings",
    "StyleGAN3Settings",
    "StyleSpace",
    "Timing",
    "TrainingError",
    "TrainingEvent",
    "TuningSettings",
    "UnsafeFileError",
    "align_photo",
    "borrow",
    "cache_jacobians",
    "confine",
    "convert",
    "drag_points",
    "edit",
    "edit_series",
    "evaluate",
    "find_directions",
    "find_parts",
    "info",
    "invert",
    "keep_freed_memory",
    "learn_parts",
    "load",
    "load_directions",
    "load_latent",
    "load_parts",
    "load_recipe",
    "mix",
    "mix_grid",
    "named_regions",
    "open_drag",
    "open_latent",
    "open_photo",
    "part",
    "paste_back",
    "path_through",
    "rank_sources",
    "read_image",
    "read_photo",
    "read_sketch",
    "render",
    "retime",
    "sample",
    "show",
    "sketch",
    "train",
    "train_encoder",
    "wrap",
    "write_animation",
    "write_image",
]
