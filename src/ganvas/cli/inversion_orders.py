"""What ``ganvas invert`` was asked for, as the library takes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from jaxtyping import Float
from torch import Tensor

from ganvas.cli.photo_options import class_of
from ganvas.cli.shared import region_of
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator
from ganvas.inversion.encoder import default_start, encoder_for, is_encoder
from ganvas.inversion.features import FeatureExtractor
from ganvas.inversion.loss_weights import DEFAULT_LOSS, parse_weights
from ganvas.inversion.settings import InversionSettings, default_space
from ganvas.inversion.starts import ImageEncoder
from ganvas.inversion.tuning import TuningSettings
from ganvas.latents.latent import Latent
from ganvas.latents.open import open_latent
from ganvas.metrics.lpips import load_published


@Parameter(name="*")
@dataclass(frozen=True)
class Search:
    """Options of inversion: where codes are looked for, and what is made small."""

    space: Literal["z", "w", "w+"] | None = None
    """z (what is drawn), w (one style), w+ (one style for each layer: closest to the photo); the last that there is by
    default."""
    loss: str = DEFAULT_LOSS
    """What is made small: perceptual, l1, l2 compare images; prior is the distance to the mean and delta that to the
    start, in standard deviations; noise keeps noise maps noise."""
    weights: str | None = None
    """How much its terms count, where not the usual: l1=0.1,prior=0.01."""
    perceptual: Path | None = None
    """A file of VGG-16 or AlexNet (torchvision's) for the perceptual term, instead of Ganvas' own network."""
    heads: Path | None = None
    """A file of LPIPS' heads for it (vgg.pth, alex.pth of the package lpips)."""
    optimizer: Literal["adam", "lbfgs"] = "adam"
    """adam, or lbfgs: nearer to the photo in fewer steps, further from what the generator usually makes."""
    schedule: Literal["ganvas", "nvidia"] = "ganvas"
    """Rates of adam: ganvas, or those of NVIDIA's projector."""
    steps: int = InversionSettings.steps
    """Synthesis passes with gradients."""
    start: str = "auto"
    """mean, random, random:8 (the nearest of eight), encoder (the one that comes with the generator), the file of an
    encoder that was trained for it, or a latent file of one code or one for each photo; auto is the encoder for w+
    where one comes with the generator, and else the mean (in a table always)."""
    noise: Literal["on", "off"] = "off"
    """Change noise maps too."""
    region: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None
    """Match only this part: a name such as eyes, box:LEFT,TOP,RIGHT,BOTTOM, mask:FILE and so on."""
    label: str | None = None
    """Class of generators that have classes: a number or a name."""
    seed: int = 0
    """Of random starts."""

    def settings(self, generator: Generator) -> InversionSettings:
        """Return the settings for the library; raises `GanvasError` where they do not fit the generator."""
        into, noisy = self.space or default_space(generator), self.noise == "on"
        loss = f"{self.loss}+noise" if noisy and "noise" not in self.loss else self.loss
        return InversionSettings(
            into,
            parse_weights(loss, self.weights),
            self.optimizer,
            self.schedule,
            self.steps,
            default_start(generator, into) if self.start == "auto" else _start(self.start, generator),
            noisy,
            self.seed,
            class_of(generator, self.label),
        )

    def features(self, generator: Generator) -> FeatureExtractor | None:
        """Return the feature extractor: a published network, None for Ganvas' own."""
        if self.perceptual is None:
            if self.heads is not None:
                raise GanvasError("--heads weigh the maps of VGG-16 or AlexNet; give its file with --perceptual.")
            return None
        return load_published(self.perceptual, self.heads, generator.device)

    def mask(self, generator: Generator) -> Float[Tensor, "1 h w"] | None:
        """Return what is matched, None for everything."""
        if self.region is None:
            return None
        return region_of(generator, self.region)[1].split(*[generator.resolution] * 2)[0]

    def beyond_tables(self) -> list[str]:
        """Return the options that were given and to which a table does not listen."""
        names = ("space", "loss", "weights", "perceptual", "heads", "schedule", "noise", "region", "label")
        return _given(self, names)


@Parameter(name="*")
@dataclass(frozen=True)
class TuningOptions:
    """Options of tuning."""

    tune: int = 0
    """Then change the generator's weights for each photo, so many steps; 0 for none."""
    tune_rank: int = TuningSettings.rank
    """Rank of the changes of weights, 0 for whole ones: files of half a megabyte or of the generator's size."""
    tune_rate: float = TuningSettings.rate
    """Rate of tuning."""
    locality: float = TuningSettings.locality
    """How much tuning must leave other images as they are."""

    def settings(self) -> TuningSettings | None:
        """Return the settings for the library, None for no tuning; raises `GanvasError` for what is not possible."""
        if self.tune < 0:
            raise GanvasError(f"{self.tune} steps of tuning are not possible; give 0 for none, or such as 100.")
        if self.tune == 0:
            if idle := self.beyond_tables():
                raise GanvasError(
                    f"Nothing is tuned; give --tune too, such as --tune 100, or leave {', '.join(idle)} out."
                )
            return None
        return TuningSettings(self.tune, self.tune_rate, self.tune_rank, locality=self.locality)

    def beyond_tables(self) -> list[str]:
        """Return the options that were given: a table does not tune."""
        return _given(self, ("tune", "tune_rank", "tune_rate", "locality"))


def _given(options: Search | TuningOptions, names: Sequence[str]) -> list[str]:
    """Return those of the options that are not as usual, as they are written."""
    default = type(options)()
    return [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) != getattr(default, name)]


def _start(start: str, generator: Generator) -> str | Latent | ImageEncoder:
    """Return the start as the library takes it: a word, an encoder, or the latent of a file."""
    if start == "encoder":
        return encoder_for(generator)
    if start == "mean" or start.split(":")[0] == "random":
        return start
    if is_encoder(start):
        return encoder_for(generator, start)
    return open_latent(start, generator)
