"""What tells the parts of an image apart: linear scores of a generator's feature maps. Knows no generator.

Clusters (Collins et al., Editing in Style, CVPR 2020) and classifiers that are trained on a few label maps (Zhang et
al., DatasetGAN, CVPR 2021) are both of this kind, so that one file and one way of finding serve both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import RegionError, ResultFileError
from ganvas.errors.arguments import checked
from ganvas.errors.shown import shown, some_of
from ganvas.io.tensor_files import write_tensors

KIND = "parts"
CLUSTERS, LABELS = "clusters", "labels"
MOST_PARTS = 256
TENSORS = "weight", "mean", "std"  # of `MapScores`, in its order


@dataclass(frozen=True, eq=False)
class MapScores:
    """How one feature map counts: its channels, standardized by `mean` and `std`, are scored by `weight`.

    With `unit`, the map is smoothed first, and the standardized channels of each pixel are divided by their length, so
    that scores are cosines.
    """

    name: str
    weight: Float[Tensor, "k c"]
    mean: Float[Tensor, "c"]
    std: Float[Tensor, "c"]
    unit: bool = False

    def __call__(self, values: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k h w"]:
        """Return the scores at each pixel of the map."""
        return torch.einsum("kc,nchw->nkhw", self.weight.to(values), self.prepared(values))

    def prepared(self, values: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the map as it is scored."""
        mean, std = (one.to(values)[:, None, None] for one in (self.mean, self.std))
        if not self.unit:
            return (values - mean) / std
        return F.normalize((smoothed(values) - mean) / std, dim=1)


def smoothed(values: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Return a map without what alternates from sample to sample, as transposed convolutions do (binomial, 3x3)."""
    padded = F.pad(values, (1, 1, 1, 1), mode="replicate")
    down = (padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]) / 4
    return (down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]) / 4


@dataclass(frozen=True, eq=False)
class PartModel:
    """The parts of one generator's images, numbered from 0.

    Attributes:
        kind: "clusters", or "labels" for one that was trained on label maps.
        maps: The feature maps that count. The sum of their scores, enlarged to the image's size, and of `bias` are the
            logits of the parts.
        bias: [k].
        names: The parts that have names: the numbers that belong to each.
        facts: What is known of how it was made.
    """

    kind: str
    maps: tuple[MapScores, ...]
    bias: Float[Tensor, "k"]
    names: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.bias)

    def __repr__(self) -> str:
        named = f", named {some_of(tuple(self.names))}" if self.names else ""
        return f"PartModel({len(self)} {self.kind} of {', '.join(one.name for one in self.maps)}{named})"

    def numbers(self, part: str) -> tuple[int, ...]:
        """Return the numbers meant by a name or a number as text; raises `RegionError`."""
        if part in self.names:
            return self.names[part]
        if part.isdecimal() and int(part[:9]) < len(self):
            return (int(part),)
        named = f" or {', '.join(self.names)}" if self.names else ""
        raise RegionError(f"There is no part {shown(part)}; give a number from 0 to {len(self) - 1}{named}.")

    def named(self, names: Mapping[str, Sequence[int]]) -> "PartModel":
        """Return the same parts with these names beside those that they have; raises `RegionError`."""
        for name, numbers in names.items():
            if not name or name.isdecimal() or any(sign in name for sign in "+&:,"):
                raise RegionError(f"A part cannot be called {shown(name)}; give a word, such as mouth.")
            if not numbers:
                raise RegionError(f"The part {shown(name)} has no numbers; give one or several.")
            for number in numbers:
                self.numbers(str(number))
        return replace(self, names={**self.names, **{name: tuple(which) for name, which in names.items()}})

    @checked
    def save(self, path: str | Path) -> Path:
        """Write a safetensors file that `ganvas.load_parts` reads; returns its path."""
        return write_tensors(path, KIND, *self.stored(), ResultFileError)

    def stored(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return what a file holds of it: tensors, and JSON values; `stored_part_model` takes them back."""
        tensors = {"bias": self.bias}
        for one in self.maps:
            tensors |= {f"{one.name}.{what}": getattr(one, what) for what in TENSORS}
        header = {
            "kind_of_parts": self.kind,
            "maps": [{"name": one.name, "unit": one.unit} for one in self.maps],
            "names": {name: list(numbers) for name, numbers in self.names.items()},
            "facts": dict(self.facts),
        }
        return tensors, header


def stored_part_model(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> PartModel:
    """Return the parts that `PartModel.stored` describes; raises `RegionError` for what is damaged."""
    try:
        bias = tensors["bias"].float()
        maps = tuple(
            MapScores(str(name), *(tensors[f"{name}.{what}"].float() for what in TENSORS), unit=unit is True)
            for name, unit in ((one["name"], one["unit"]) for one in header["maps"])
        )
        agree = (one.weight.shape == (len(bias), len(one.mean)) and one.mean.shape == one.std.shape for one in maps)
        if not (bias.ndim == 1 and 1 <= len(bias) <= MOST_PARTS and maps and all(agree)):
            raise ValueError("its tensors do not fit each other")
        kind = LABELS if header["kind_of_parts"] == LABELS else CLUSTERS
        plain = PartModel(kind, maps, bias, {}, dict(header.get("facts", {})))
        return plain.named({str(name): [int(one) for one in which] for name, which in header["names"].items()})
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as reason:
        raise RegionError(f"These parts are damaged ({shown(str(reason))}); find them again.") from reason
