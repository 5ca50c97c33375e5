"""The latent file: codes with all that is needed to make their images again; and codes from seeds as such a record.

For codes of space ``z`` the label and the truncation are still to be applied, by `map` or `synthesize`; in any other
space they were applied already and are kept for the record.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError, ResultFileError
from ganvas.generators.codes import check_seeds
from ganvas.generators.labels import class_names, settle_label
from ganvas.generators.protocol import Generator, HasClasses, Label, Noise, about_of
from ganvas.generators.weight_differences import with_differences
from ganvas.io.tensor_files import read_tensors, write_tensors
from ganvas.latents.spaces import codes_for

PIXELS_AT_ONCE = 2**20


@dataclass(frozen=True)
class Latent:
    """Codes [n, d] or [n, layers, d] of one `space`, and where they come from.

    ``seeds`` are empty or one per row; ``names`` say in a word what each row is ("seed 4 at +3"), empty or one per row;
    ``label`` is the class of all rows, or one per row; ``source`` is the image file that was inverted. ``noise``
    holds the noise maps where they are not the generator's own, for all rows [h, w] or one for each [n, 1, h, w];
    ``tuned`` the differences of tuned weights, for all rows (see `ganvas.generators.weight_differences`).
    """

    codes: Tensor
    space: str
    seeds: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    label: int | tuple[int, ...] | None = None
    truncation: float = 1.0
    truncation_layers: int | None = None
    source: str = ""
    generator: str = ""
    generator_hash: str = ""
    noise: Mapping[str, Tensor] = field(default_factory=dict)
    tuned: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, given in (("seeds", self.seeds), ("names", self.names)):
            if len(given) not in (0, len(self.codes)):
                raise LatentError(f"{len(given)} {what} do not fit {len(self.codes)} codes; give one per code or none.")
        if isinstance(self.label, tuple) and len(self.label) != len(self.codes):
            raise LatentError(
                f"{len(self.label)} labels do not fit {len(self.codes)} codes; give one for all or one per code."
            )

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def captions(self) -> tuple[str, ...]:
        """A name for each row: `names`, else "seed 4", else "row 0"."""
        if self.names:
            return self.names
        captions = [f"seed {seed}" for seed in self.seeds] or [f"row {row}" for row in range(len(self))]
        if isinstance(self.label, tuple):
            captions = [f"{caption}, class {label}" for caption, label in zip(captions, self.label, strict=True)]
        return tuple(captions)

    def rows(self, chosen: Sequence[int]) -> "Latent":
        """Return the latent of some rows, counted from 0; raises `LatentError` where one does not exist."""
        for row in chosen:
            if not 0 <= row < len(self):
                raise LatentError(f"Row {row} does not exist: there are rows 0-{len(self) - 1}.")
        seeds = tuple(self.seeds[row] for row in chosen) if self.seeds else ()
        names = tuple(self.names[row] for row in chosen) if self.names else ()
        label = tuple(self.label[row] for row in chosen) if isinstance(self.label, tuple) else self.label
        noise = {name: self._noise_of(values, chosen) for name, values in self.noise.items()}
        return replace(self, codes=self.codes[list(chosen)], seeds=seeds, names=names, label=label, noise=noise)

    def _noise_of(self, values: Tensor, chosen: Sequence[int]) -> Tensor:
        many = values.ndim == 4 and len(values) == len(self) > 1
        return values[list(chosen)] if many else values

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file that `load_latent` reads; returns its path."""
        tensors = {"codes": self.codes.float()}
        tensors |= {f"noise.{name}": values for name, values in self.noise.items()}
        tensors |= {f"tuned.{name}": values for name, values in self.tuned.items()}
        return write_tensors(path, "latent", tensors, {name: getattr(self, name) for name in _HEADER}, ResultFileError)

    def check_fits(self, generator: Generator) -> None:
        """Raise `ResultFileError` where the codes are none of the generator's; warn where they come from another."""
        if self.space not in generator.spaces:
            raise ResultFileError(
                f"This latent lies in space {self.space}; this generator has {', '.join(generator.spaces)}."
            )
        shape, expected = list(self.codes.shape[1:]), list(generator.dimensions(self.space))
        if shape != expected:
            raise ResultFileError(
                f"This latent was made by a generator of another shape ({self.generator or 'unnamed'}): its codes of "
                f"space {self.space} have shape {shape}, this generator wants {expected}."
            )
        if self.tuned:
            self.generator_for(generator)
        about_of(generator).warn_of_another(
            "This latent was made by", self.generator, self.generator_hash, "its images may differ"
        )

    def generator_for(self, generator: Generator) -> Generator:
        """Return the generator that paints this latent: `generator` itself, or with the weights that were tuned.

        A generator that was made here for this latent, or for rows of it, is returned as it is. Raises
        `ResultFileError` where the tuned weights do not fit.
        """
        if not self.tuned or getattr(generator, "tuned", None) is self.tuned:
            return generator
        changed: Any = with_differences(generator, self.tuned)
        changed.tuned = self.tuned
        return changed

    def codes_for(self, generator: Generator, space: str) -> Tensor:
        """Return the codes that directions of `space` move (w+ for w and w+, else `space`), on the generator's device.

        z codes are mapped with the label and the truncation. Raises `LatentError` where no step leads there.
        """
        generator = self.generator_for(generator)
        codes = self.codes.to(generator.device)
        if self.space != "z" or space == "z":
            return codes_for(generator, codes, space)
        if space not in generator.spaces:
            return codes_for(generator, codes, space)
        to = "w+" if space == "w" and "w+" in generator.spaces else space
        return generator.map(
            codes, to, label=self.label, truncation=self.truncation, truncation_layers=self.truncation_layers
        )

    def noise_for(self, generator: Generator) -> Noise:
        """Return the latent's own noise maps on the generator's device, or "const"."""
        return {name: values.to(generator.device) for name, values in self.noise.items()} or "const"

    @torch.no_grad()
    def images(self, generator: Generator) -> Iterator[Float[Tensor, "n 3 h w"]]:
        """Yield the images, some rows at a time, on the CPU."""
        generator = self.generator_for(generator)
        at_once = max(1, PIXELS_AT_ONCE // generator.resolution**2)
        for first in range(0, len(self), at_once):
            some = self.rows(range(first, min(first + at_once, len(self))))
            late: dict[str, Any] = {"label": some.label, "truncation": some.truncation} if self.space == "z" else {}
            codes = some.codes.to(generator.device)
            yield generator.synthesize(codes, self.space, noise=self.noise_for(generator), **late).cpu()


_HEADER = tuple(name for name in Latent.__dataclass_fields__ if name not in ("codes", "noise", "tuned"))


def sample_latent(
    generator: Generator,
    seeds: Sequence[int],
    *,
    label: Label = None,
    truncation: float = 1.0,
    truncation_layers: int | None = None,
    space: str | None = None,
) -> Latent:
    """Return the codes of `seeds`: of space w where the generator has it (w+ where only some layers are truncated),
    else z; `space` asks for another.

    Raises `LatentError` for seeds, a label or a truncation that cannot be.
    """
    check_seeds(seeds)
    if not math.isfinite(truncation):
        raise LatentError(f"A truncation of {truncation} is not a number; give one from 0 (average) to 1 (none).")
    if truncation_layers is not None and not 0 <= truncation_layers <= generator.layers:
        raise LatentError(
            f"Truncation of {truncation_layers} layers is not possible: this generator has {generator.layers}."
        )
    wanted = space or _widest(generator, truncation_layers)
    if wanted == "z" and truncation_layers is not None:
        raise LatentError("Codes of space z have no layers to truncate one by one; leave truncation_layers out.")
    z = generator.sample(seeds)
    label = settle_label(label, class_names(generator))
    if isinstance(generator, HasClasses):
        generator.one_hot(label, len(seeds))  # a wrong label fails here, not at the first image
    if wanted != "z":
        known: dict[str, Any] = {"truncation": truncation, "truncation_layers": truncation_layers}
        with torch.no_grad():
            z = generator.map(z, wanted, label=label, **known)
    about = about_of(generator)
    return Latent(z, wanted, tuple(seeds), (), label, truncation, truncation_layers, "", about.name, about.hash)


def _widest(generator: Generator, truncation_layers: int | None) -> str:
    if "w" not in generator.spaces:
        return "z"
    return "w" if truncation_layers is None else "w+"


def load_latent(path: str | Path) -> Latent:
    """Read a latent file; raises `ResultFileError` with the reason for anything that is none."""
    tensors, header = read_tensors(path, "latent", ResultFileError)
    try:
        fields: dict[str, Any] = _checked_header(header) | _groups(tensors)
        latent = Latent(tensors["codes"], **fields)
    except (KeyError, TypeError, ValueError, OverflowError, LatentError) as reason:
        raise ResultFileError(f"'{path}' is not a whole latent file ({reason}); write it anew.") from reason
    floats = [latent.codes, *latent.noise.values(), *latent.tuned.values()]
    if latent.codes.ndim not in (2, 3) or 0 in latent.codes.shape:
        raise ResultFileError(
            f"'{path}': its codes have shape {list(latent.codes.shape)}; [n, d] or [n, layers, d] is needed."
        )
    if not all(values.is_floating_point() and bool(values.isfinite().all()) for values in floats):
        raise ResultFileError(f"'{path}' holds values that are not finite numbers; make it anew.")
    return replace(latent, codes=latent.codes.float())


def _checked_header(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the header's fields with their types made sure of; raises TypeError or ValueError."""
    layers, label = header["truncation_layers"], header["label"]
    return {
        "space": str(header["space"]),
        "seeds": tuple(int(seed) for seed in header["seeds"]),
        "names": tuple(str(name) for name in header.get("names", ())),
        "label": tuple(int(one) for one in label) if isinstance(label, list) else None if label is None else int(label),
        "truncation": float(header["truncation"]),
        "truncation_layers": None if layers is None else int(layers),
        "source": str(header.get("source", "")),
        "generator": str(header.get("generator", "")),
        "generator_hash": str(header.get("generator_hash", "")),
    }


def _groups(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    groups: dict[str, dict[str, Tensor]] = {"noise": {}, "tuned": {}}
    for name, values in tensors.items():
        group, dot, rest = name.partition(".")
        if dot and group in groups:
            groups[group][rest] = values
        elif name != "codes":
            raise ValueError(f"it holds an unknown tensor '{name[:40]}'")
    return groups
