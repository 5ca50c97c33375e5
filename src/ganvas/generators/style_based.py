"""What StyleGAN2 and StyleGAN3 share: a mapping network, the spaces z, w, w+ and s, and a derivative through styles.

Codes of space ``s`` are [n, sum of channels], every layer's style in graph order (StyleSpace, Wu et al. 2021). Of a
synthesis network it knows only that styles go in and images come out.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.generators.base import Conditions, Jvp, LinearizableBase
from ganvas.generators.codes import broadcast_layers, check_space, sample_normal, truncate
from ganvas.generators.labels import one_hot
from ganvas.generators.mapping import MappingNetwork
from ganvas.generators.protocol import Label, Noise
from ganvas.generators.styles import StyleSynthesis

Network = TypeVar("Network", bound=StyleSynthesis)
PushStyles = Callable[[Sequence[Tensor | None], int], Tensor]


class StyleBased(LinearizableBase, nn.Module, Generic[Network]):
    """The part of a generator that lies before its synthesis network, which the family adds as ``synthesis``.

    ``architecture`` has ``resolution``, ``layers``, ``z_dim``, ``w_dim``, ``hidden``, ``label_dim``, ``mapping_rate``.
    """

    spaces: tuple[str, ...] = ("z", "w", "w+", "s")
    linear_spaces: tuple[str, ...] = ("w", "w+", "s")
    synthesis: Network

    def __init__(self, architecture: Any) -> None:
        super().__init__()
        a = architecture
        self.architecture = a
        self.resolution: int = a.resolution
        self.layers: int = a.layers
        self.mapping = MappingNetwork(a.z_dim, a.w_dim, a.hidden, a.label_dim, a.mapping_rate)

    @property
    def code_dtype(self) -> torch.dtype:
        """The precision of codes."""
        return self.mapping.w_avg.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.mapping.w_avg.device

    def dimensions(self, space: str) -> tuple[int, ...]:
        """Return the shape of one code of `space`."""
        check_space(space, self.spaces)
        a = self.architecture
        if space == "s":
            return (sum(self.style_channels()),)
        return {"z": (a.z_dim,), "w": (a.w_dim,), "w+": (self.layers, a.w_dim)}[space]

    def style_channels(self) -> list[int]:
        """Return the number of channels of each style in graph order."""
        return [affine.weight.shape[0] for affine in self.synthesis.affines()]

    def style_rows(self) -> list[int]:
        """Return the w+ row that feeds each style in graph order."""
        return self.synthesis.rows

    def style_makes_colors(self) -> list[bool]:
        """Return whether each style steers a layer that makes colors (toRGB), in graph order."""
        return self.synthesis.makes_colors()

    def sample(self, seeds: Sequence[int]) -> Float[Tensor, "n z_dim"]:
        """Return one standard normal code per seed."""
        return sample_normal(seeds, self.architecture.z_dim).to(self.device)

    def map_z(self, z: Float[Tensor, "n z_dim"], to: str, given: Conditions) -> Tensor:
        """Return codes of space `to` for codes z."""
        w = self.mapping(z, self.one_hot(given.label, len(z)))
        ws = w[:, None].expand(-1, self.layers, -1)
        ws = truncate(ws, self.mapping.w_avg, given.truncation, given.truncation_layers)
        if to == "s":
            return torch.cat(self.synthesis.styles(ws), dim=1)
        return ws[:, 0] if to == "w" else ws

    def one_hot(self, label: Label, rows: int) -> Float[Tensor, "n label_dim"] | None:
        """Return the label as one row per code; None without classes."""
        return one_hot(label, rows, self.architecture.label_dim, self.device)

    def styles(self, codes: Tensor, space: str, given: Conditions = Conditions()) -> list[Tensor]:
        """Return each layer's style from codes of any space; label and truncation count for z only."""
        self.check_codes(space, codes)
        if space == "s":
            return list(codes.split(self.style_channels(), dim=1))
        if space == "z":
            codes, space = self.map_z(codes, "w+", given), "w+"
        return self.synthesis.styles(broadcast_layers(codes, space, self.layers, self.architecture.w_dim))

    def linearize_at(
        self, codes: Tensor, space: str, given: Conditions, layers: Sequence[int] | None
    ) -> tuple[Tensor, Jvp]:
        """Return the image of one code (w, w+ or s) and its derivative; tangents count on `layers` only (None: all).

        What lies below the first layer that any of some tangents moves is not computed for these.
        """
        active = frozenset(range(self.layers) if layers is None else layers)
        image, push_styles = self.linearize_styles(self.styles(codes, space), given.noise)

        def push(tangents: Tensor) -> Tensor:
            if space == "s":
                parts = tangents.split(self.style_channels(), dim=1)
                masked = [
                    t if row in active and bool(t.any()) else None
                    for t, row in zip(parts, self.style_rows(), strict=True)
                ]
                return push_styles(masked, len(tangents))
            rows = broadcast_layers(tangents, space, self.layers, self.architecture.w_dim)
            moved = active.intersection(rows.any(dim=2).any(dim=0).nonzero()[:, 0].tolist())
            return push_styles(self.synthesis.push_styles(rows, moved), len(tangents))

        return image, push

    def linearize_styles(self, styles: Sequence[Tensor], noise: Noise) -> tuple[Tensor, PushStyles]:
        """Return the image of one row of styles, and the map from n style tangents (None: zero), and n, to those of
        images.
        """
        raise NotImplementedError
