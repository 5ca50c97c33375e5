"""The image that is dragged: a generator with the space, the layers and the feature map by which it is dragged."""

from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float
from torch import Tensor

from ganvas.drag.defaults import default_feature, default_layers
from ganvas.drag.sampling import Plane
from ganvas.errors import LatentError
from ganvas.generators.codes import Layers, check_space, parse_layers
from ganvas.generators.crops import Crop
from ganvas.generators.protocol import Generator, HasParts, Label, Noise, feature_extent


@dataclass(frozen=True)
class DragContext:
    """The image that is dragged, except for its codes.

    ``space`` says what is optimized: the given ``layers`` of w+ one by one (w+), one shift for all of them (w), or z,
    where ``layers`` is (). ``feature`` is the name of the map that is followed, ``plane`` where on the image it lies.
    Label and truncation count for z only; ``noise`` as in `Generator.synthesize`.
    """

    generator: Generator = field(repr=False)
    space: str
    layers: tuple[int, ...]
    feature: str
    plane: Plane
    label: Label = field(default=None, repr=False)
    truncation: float = field(default=1.0, repr=False)
    noise: Noise = field(default="const", repr=False)

    @property
    def code_space(self) -> str:
        """The space of the codes: z, or w+ for a drag in w or w+."""
        return code_space_of(self.space)

    def feature_map(self, codes: Tensor, crop: Crop | None = None) -> Float[Tensor, "1 c h w"]:
        """Return the followed map, or a crop of it where the generator `HasParts`; no layer above it is computed."""
        if crop is not None:
            assert isinstance(self.generator, HasParts)
            return self.generator.feature_part(codes, self.feature, crop, self.code_space, **self._options()).float()
        maps = self.generator.features(codes, [self.feature], self.code_space, **self._options())
        return maps[self.feature].float()

    def render(self, feature: Tensor, codes: Tensor) -> Float[Tensor, "1 3 h w"]:
        """Return the image of `codes`, whose map is `feature`."""
        return self.generator.resume(self.feature, feature, codes, self.code_space, **self._options())

    def trainable(self, gradient: Tensor) -> Tensor:
        """Return the gradient by what is optimized from that by the codes: layers of w+, their sum for w, z itself."""
        if self.space == "z":
            return gradient
        layers = gradient[:, list(self.layers)]
        return layers.sum(dim=1, keepdim=True) if self.space == "w" else layers

    def shifted(self, codes: Tensor, shift: Tensor) -> Tensor:
        """Return the codes with what is optimized shifted; all other layers stay."""
        if self.space == "z":
            return codes + shift
        result = codes.clone()
        result[:, list(self.layers)] += shift
        return result

    def _options(self) -> dict[str, Any]:
        return {"noise": self.noise, "label": self.label, "truncation": self.truncation}


def code_space_of(space: str) -> str:
    """Return the space of the codes that are dragged in `space`: z, or w+ for w too."""
    return "z" if space == "z" else "w+"


def choose_context(
    generator: Generator,
    space: str | None = None,
    layers: Layers = None,
    feature: str | None = None,
    label: Label = None,
    truncation: float = 1.0,
    noise: Noise = "const",
) -> DragContext:
    """Return what to drag by, with defaults for a generator of this size.

    Space w+ where there is one, else z; of w+ the share of layers that the papers optimize; the finest map of at most
    min(128, R / 2) pixels. Raises `LatentError` for a space, layers or a map that the generator does not have.
    """
    default = "w+" if "w+" in generator.spaces else "z"
    space = default if space is None else space
    check_space(space, tuple(one for one in ("z", "w", "w+") if one in generator.spaces))
    if space != "z" and not generator.layers:
        raise LatentError("A drag in w needs a generator with w+; drag in z here.")
    if space == "z" and layers is not None:
        raise LatentError("Layers are optimized in w and w+; a drag in z has none: leave layers out.")
    if space != "z":
        label, truncation = None, 1.0
    if feature is None:
        feature = default_feature(generator, label, truncation)
    elif feature not in generator.feature_names:
        listed = ", ".join(generator.feature_names) or "none"
        raise LatentError(f"Feature map '{feature}' does not exist: this generator has {listed}.")
    chosen: tuple[int, ...] = ()
    if space != "z":
        chosen = default_layers(generator.layers) if layers is None else parse_layers(layers, generator.layers)
    plane = Plane(generator.resolution, feature_extent(generator, feature))
    return DragContext(generator, space, chosen, feature, plane, label, truncation, noise)
