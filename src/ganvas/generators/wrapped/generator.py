"""A module that turns codes into images, behind the Generator protocol; `ganvas.generators.wrapped.wrap` makes it.

Nothing of the module is changed. Feature maps go by the paths of its submodules ("main.6", "blocks.2.norm"). Its
derivative is taken by ``torch.func`` (see `ganvas.directions.jvp`).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import GanvasError
from ganvas.errors.shown import shown
from ganvas.generators import ops
from ganvas.generators.base import IMAGE, Conditions, GeneratorBase, Painted, Request, refuse_noise
from ganvas.generators.codes import broadcast_layers, check_space, sample_normal, sample_uniform, truncate
from ganvas.generators.labels import one_hot
from ganvas.generators.protocol import Label
from ganvas.generators.wrapped.hooks import Hooks, Reached

Prior = str | Callable[[Sequence[int]], Tensor]
PRIORS: Mapping[str, Callable[[Sequence[int], int], Tensor]] = {"normal": sample_normal, "uniform": sample_uniform}
LABELS = ("one-hot", "number")
AVERAGED_CODES = 2048


@dataclass(frozen=True)
class Calling:
    """How a module is called, and how its output is read.

    ``z_shape`` is the shape in which one code of z goes into the module; ``classes`` the number of classes, with
    ``class_names`` where they have names; ``label_as`` "one-hot" rows or a "number" each, as the last argument;
    ``low`` and ``high`` the module's black and white.
    """

    z_shape: tuple[int, ...]
    prior: Prior = "normal"
    low: float = -1.0
    high: float = 1.0
    classes: int = 0
    class_names: tuple[str, ...] | None = None
    label_as: str = "one-hot"

    def __post_init__(self) -> None:
        if not self.z_shape or min(self.z_shape) < 1:
            raise GanvasError(
                f"Codes of shape {list(self.z_shape)} hold no number; give z_dim such as 128 or (100, 1, 1)."
            )
        if not callable(self.prior) and self.prior not in PRIORS:
            raise GanvasError(
                f"The prior '{self.prior}' is not known: give {', '.join(PRIORS)}, or a function of seeds."
            )
        if not -float("inf") < self.low < self.high < float("inf"):
            raise GanvasError(f"Images from {self.low} (black) to {self.high} (white) cannot be; give (low, high).")
        if self.label_as not in LABELS:
            raise GanvasError(f"Labels as '{self.label_as}' are not known: give {' or '.join(LABELS)}.")

    @property
    def z_dim(self) -> int:
        """Numbers of a code."""
        return math.prod(self.z_shape)


class Wrapped(GeneratorBase):
    """A module as a generator; see `ganvas.generators.protocol.Generator` for its members.

    Without a mapping, truncation pulls codes towards 0: ``z psi``; with one, w towards the average of 2,048 seeds.
    """

    family = "wrapped"
    resolution: int = 0  # until `wrap` has seen an image
    feature_names: tuple[str, ...] = ()

    def __init__(
        self, module: nn.Module, calling: Calling, mapping: Callable[..., Tensor] | None = None, layers: int = 0
    ) -> None:
        if layers < 0 or (layers and mapping is None):
            raise GanvasError(f"{layers} layers need a mapping from z to w; give mapping, or leave layers out.")
        self.module, self.calling, self.mapping, self.layers = module, calling, mapping, layers
        self.spaces = ("z",) if mapping is None else ("z", "w", "w+") if layers else ("z", "w")
        self.w_dim = 0
        self._w_avg: Tensor | None = None

    @property
    def device(self) -> torch.device:
        """Where the module's weights lie; the CPU where it has none."""
        return next((tensor.device for tensor in self._tensors()), torch.device("cpu"))

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes, None where they have none."""
        return self.calling.class_names

    def dimensions(self, space: str) -> tuple[int, ...]:
        """Return the shape of one code of `space`."""
        check_space(space, self.spaces)
        return {"z": (self.calling.z_dim,), "w": (self.w_dim,), "w+": (self.layers, self.w_dim)}[space]

    def sample(self, seeds: Sequence[int]) -> Float[Tensor, "n z_dim"]:
        """Return one code of the prior per seed."""
        prior = self.calling.prior
        codes = prior(seeds) if callable(prior) else PRIORS[prior](seeds, self.calling.z_dim)
        if not isinstance(codes, Tensor):
            raise GanvasError(
                f"The prior gives {shown(codes)} for seeds; a tensor [n, {self.calling.z_dim}] is needed."
            )
        return codes.to(self.device, self.code_dtype)

    def one_hot(self, label: Label, rows: int) -> Float[Tensor, "n classes"] | None:
        """Return the label as one row per code, None without classes; raises `LatentError`."""
        return one_hot(label, rows, self.calling.classes, self.device, self.calling.class_names)

    def map_z(self, z: Float[Tensor, "n z_dim"], to: str, given: Conditions) -> Tensor:
        """Return codes of space w or w+ for codes z."""
        ws = self.map_whole(z, given.label)[:, None].expand(-1, max(1, self.layers), -1)
        if given.truncation != 1:
            ws = truncate(ws, self._average(), given.truncation, given.truncation_layers)
        return ws[:, 0] if to == "w" else ws

    def paint(self, codes: Tensor, space: str, given: Conditions, request: Request = IMAGE) -> Painted:
        """Return images and the outputs of submodules by path.

        What does not come through the submodule of `start` is still painted by the codes.
        """
        refuse_noise(given.noise)
        self.check_codes(space, codes)
        self._require_evaluation()
        rows, inputs = len(codes), self._inputs(codes, space, given)
        replaced = {} if request.start is None else dict([request.start])
        changed = dict.fromkeys(self.feature_names, request.hook) if request.hook else {}
        hooks = Hooks(tuple(request.wanted), replaced, stop=not request.with_image, change=changed)
        with hooks.on(self.module):
            try:
                return self._image(self.module(*inputs), rows), hooks.maps
            except Reached:
                return None, hooks.maps

    def _inputs(self, codes: Tensor, space: str, given: Conditions) -> tuple[Tensor, ...]:
        """Return what the module is called on: codes of the space that it takes, and the label where it takes one."""
        if space == "z" and self.mapping is None:
            z = (codes * given.truncation).reshape(len(codes), *self.calling.z_shape)
            return z.to(self._dtype), *self._label(given.label, len(codes))
        if space == "z":
            space = self.spaces[-1]
            codes = self.map_z(codes, space, given)
        if space == "w" and self.layers:
            codes = broadcast_layers(codes, "w", self.layers, self.w_dim)
        return (codes.to(self._dtype),)

    def _image(self, output: Any, rows: int) -> Float[Tensor, "n 3 h w"]:
        """Return the module's output as images of three colors in about [-1, 1]."""
        if not isinstance(output, Tensor) or not output.is_floating_point():
            raise GanvasError(
                f"The module returns {_words(output)}; images [n, 3, h, w] are needed: wrap it in a module that "
                "returns them."
            )
        shape = list(output.shape)
        if len(shape) != 4 or shape[0] != rows or shape[1] not in (1, 3) or shape[2] != shape[3]:
            raise GanvasError(
                f"The module returns {shape} for {rows} codes; square images [{rows}, 3, h, h] or [{rows}, 1, h, h] "
                "are needed."
            )
        images = ops.at_least_float32(output)
        if (self.calling.low, self.calling.high) != (-1, 1):
            images = (images - self.calling.low) * (2 / (self.calling.high - self.calling.low)) - 1
        return images.expand(-1, 3, -1, -1)

    def map_whole(self, z: Tensor, label: Label) -> Tensor:
        """Return what the mapping makes of z, not truncated."""
        assert self.mapping is not None
        ws = self.mapping(z.to(self._dtype), *self._label(label, len(z)))
        if not isinstance(ws, Tensor):
            raise GanvasError(f"The mapping gives {shown(ws)} for codes of z; a tensor [n, w_dim] is needed.")
        return ws.to(self.code_dtype)

    def _label(self, label: Label, rows: int) -> tuple[Tensor, ...]:
        """Return the label as the module takes it, () where it takes none."""
        encoded = self.one_hot(label, rows)
        if encoded is None:
            return ()
        return (encoded.to(self._dtype) if self.calling.label_as == "one-hot" else encoded.argmax(dim=1),)

    @torch.no_grad()
    def _average(self) -> Float[Tensor, "w_dim"]:
        """Return the average w of `AVERAGED_CODES` seeds, the classes in turn; computed once."""
        if self._w_avg is None:
            classes = self.calling.classes
            labels = [row % classes for row in range(AVERAGED_CODES)] if classes else None
            self._w_avg = self.map_whole(self.sample(range(AVERAGED_CODES)), labels).mean(dim=0)
        return self._w_avg

    def _require_evaluation(self) -> None:
        parts = (self.module, self.mapping) if isinstance(self.mapping, nn.Module) else (self.module,)
        if any(part.training for whole in parts for part in whole.modules()):
            raise GanvasError(
                "The module is in training mode, in which dropout and batch normalization give a code other images "
                "in other batches, and change its statistics: call module.eval() first."
            )

    def _tensors(self) -> Iterator[Tensor]:
        yield from self.module.parameters()
        yield from self.module.buffers()

    @property
    def _dtype(self) -> torch.dtype:
        """Of the module's weights."""
        return next((t.dtype for t in self._tensors() if t.is_floating_point()), torch.float32)

    @property
    def code_dtype(self) -> torch.dtype:
        """The precision of codes: float64 for modules in float64, else float32."""
        return torch.promote_types(self._dtype, torch.float32)


def _words(output: Any) -> str:
    if isinstance(output, Tensor):
        return f"a tensor of {output.dtype}"
    return f"a {type(output).__name__}" + (f" of {len(output)}" if isinstance(output, tuple | list | dict) else "")
