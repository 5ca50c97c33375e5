"""Generators that are a chain: blocks, each of which sees nothing but the map below it, and colors at the end."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import LatentError
from ganvas.generators.base import IMAGE, Conditions, Jvp, Painted, Request
from ganvas.generators.codes import sample_normal
from ganvas.generators.labels import one_hot
from ganvas.generators.protocol import Label, MapHook
from ganvas.generators.z_only import ZOnlyGenerator


class LinearizableModule(nn.Module):
    """A block or the colors, with its derivative."""

    def linearize(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the output at one point, and the function that pushes tangents through."""
        raise NotImplementedError


class ChainedGenerator(ZOnlyGenerator, nn.Module):
    """A generator of standard normal codes whose ``blocks`` and ``colors`` follow one another.

    ``generator(z)`` is the forward pass that training uses. Truncation pulls codes towards the prior's mean: ``z psi``.
    """

    architecture: Any
    blocks: nn.ModuleDict
    colors: LinearizableModule

    def parts(self) -> list[LinearizableModule]:
        """Return the blocks and the colors, in order."""
        return [*(cast(LinearizableModule, block) for block in self.blocks.values()), self.colors]

    def sample(self, seeds: Sequence[int]) -> Float[Tensor, "n z_dim"]:
        """Return one standard normal code per seed."""
        return sample_normal(seeds, self.architecture.z_dim).to(self.device)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.parameters()).device

    def one_hot(self, label: Label, rows: int) -> Float[Tensor, "n classes"] | None:
        """Return the label as one row per code; None without classes."""
        return one_hot(label, rows, self.architecture.label_dim, self.device)

    def embed(self, rows: Float[Tensor, "n classes"]) -> Float[Tensor, "n e"]:
        """Return what stands behind the code in the first block's input."""
        return rows

    def forward(self, z: Float[Tensor, "n z_dim"], label: Label = None) -> Float[Tensor, "n 3 h w"]:
        """Return images, about [-1, 1], of codes z."""
        return self._run(self._inputs(z, label))[0]

    def paint(self, codes: Tensor, space: str, given: Conditions, request: Request = IMAGE) -> Painted:
        """Return images and feature maps ("b32": what the block of 32 pixels makes).

        A map to `start` from settles the image: codes only have their shape checked.
        """
        self.check_z(codes, space, given)
        last = None if request.with_image else max(request.wanted, key=self.feature_names.index)
        after, x = request.start or ("", self._inputs(codes * given.truncation, given.label))
        x, maps = self._run(x, after, last, request.hook)
        return (x if request.with_image else None), maps

    def check_z(self, codes: Tensor, space: str, given: Conditions) -> None:
        """Raise `LatentError` for codes or conditions that the generator does not take."""
        super().check_z(codes, space, given)
        self.one_hot(given.label, len(codes))

    def linearize_z(self, z: Tensor, given: Conditions) -> tuple[Tensor, Jvp]:
        """Return the image of one code and its derivative; not in training mode, where an image may depend on its
        batch.

        Raises `LatentError` in training mode.
        """
        if self.training:
            raise LatentError("A generator in training mode has no derivative of its own: call eval() first.")
        x, pushes = self._inputs(z, given.label), list[Jvp]()
        conditioned = x.shape[1] - z.shape[1]
        for part in self.parts():
            x, push = part.linearize(x)
            pushes.append(push)

        def push_all(dz: Tensor) -> Tensor:
            dx = F.pad(dz, (0, conditioned))
            for push in pushes:
                dx = push(dx)
            return dx

        return x, push_all

    def _inputs(self, z: Tensor, label: Label) -> Float[Tensor, "n inputs"]:
        """Return what the first block takes: codes, and behind them the label where there are classes."""
        rows = self.one_hot(label, len(z))
        return z if rows is None else torch.cat([z, self.embed(rows.to(z))], dim=1)

    def _run(
        self, x: Tensor, after: str = "", last: str | None = None, hook: MapHook | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the image (or the map `last`) and all maps on the way, from codes or from the map `after`; the `hook`
        may change each.
        """
        maps = {}
        for name in self.feature_names[self.feature_names.index(after) + 1 if after else 0 :]:
            x = self.blocks[name](x)
            maps[name] = x = hook(name, x) if hook else x
            if name == last:
                return x, maps
        return self.colors(x), maps
