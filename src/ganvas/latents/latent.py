"""`Latent`, the one type of codes that know their space, and latents of seeds."""

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError, ResultFileError
from ganvas.errors.arguments import checked, checked_as
from ganvas.errors.ranges import LayerCount, Truncation
from ganvas.errors.shown import some_of
from ganvas.generators.at_once import batches
from ganvas.generators.codes import check_seeds
from ganvas.generators.labels import class_names, settle_label
from ganvas.generators.protocol import Generator, HasClasses, Label, Noise, about_of
from ganvas.generators.weight_differences import with_differences
from ganvas.images.notebook import notebook_cell
from ganvas.io.tensor_files import write_tensors
from ganvas.latents.checks import check_codes, check_truncated_layers
from ganvas.latents.photo_origin import PhotoOrigin
from ganvas.latents.spaces import to_space


@checked_as(LatentError)
@dataclass(frozen=True)
class Latent:
    """Codes in one space, and all that is needed to make their images again. It is never changed in place.

    Args:
        codes: A tensor [n, d], or [n, layers, d] in w+.
        space: "z", "w", "w+" or "s".
        seeds: The seeds of the samples, if they come from seeds.
        names: What each sample is called ("seed 4 at 3").
        label: The class of all samples, or a tuple with one for each.
        truncation: 1 for none, 0 for the average image.
        truncation_layers: How many first layers are truncated; None for all.
        source: The image file that was inverted.
        generator: The generator's name.
        generator_hash: The hash of its weights.
        noise: Noise maps by name where they are not the generator's own: [h, w] for all samples, or [n, 1, h, w].
        tuned: Differences of tuned weights by name (see `ganvas.generators.weight_differences`).
        photo: The photos that were inverted, as they were cut, where the samples come from photos.

    In z, label and truncation are still to be applied, which everything that takes a latent does; in the other spaces
    they were applied already and are kept for the record. ``len(latent)``, ``latent[0]``, ``latent[1:3]`` and iteration
    go by samples.

    Raises:
        LatentError: Codes in a shape that the space cannot have, or not one seed, name or label for each sample.

    Example:
        >>> import ganvas, torch
        >>> latent = ganvas.Latent(torch.zeros(3, 512), "w", names=("mean", "mean again", "and again"))
        >>> latent[:2]
        Latent(w [2, 512], mean, mean again)
    """

    codes: Tensor
    space: str
    seeds: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    label: int | tuple[int, ...] | None = None
    truncation: Truncation = 1.0
    truncation_layers: LayerCount | None = None
    source: str = ""
    generator: str = ""
    generator_hash: str = ""
    noise: Mapping[str, Tensor] = field(default_factory=dict)
    tuned: Mapping[str, Tensor] = field(default_factory=dict)
    photo: PhotoOrigin | None = None

    def __post_init__(self) -> None:
        check_codes(self.codes, self.space)
        for what, given in (("seeds", self.seeds), ("names", self.names)):
            if len(given) not in (0, len(self.codes)):
                raise LatentError(f"{len(given)} {what} do not fit {len(self.codes)} codes; give one per code or none.")
        if isinstance(self.label, tuple) and len(self.label) != len(self.codes):
            raise LatentError(
                f"{len(self.label)} labels do not fit {len(self.codes)} codes; give one for all or one per code."
            )

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator["Latent"]:
        return (self.rows([row]) for row in range(len(self)))

    def __getitem__(self, index: int | slice) -> "Latent":
        if isinstance(index, slice):
            return self.rows(range(*index.indices(len(self))))
        return self.rows([index + len(self) if index < 0 else index])

    def __repr__(self) -> str:
        facts = [f"{self.space} {list(self.codes.shape)}"]
        if self.names:
            facts.append(some_of(self.names))
        elif self.seeds:
            facts.append(f"seed{'s' if len(self.seeds) > 1 else ''} {some_of(self.seeds)}")
        if self.label is not None:
            facts.append(f"label {some_of(self.label) if isinstance(self.label, tuple) else self.label}")
        facts += [f"truncation {self.truncation:g}"] if self.truncation != 1 else []
        facts += [f"source '{self.source}'"] if self.source else []
        facts += [f"generator '{self.generator}'"] if self.generator else []
        facts += ["own noise"] if self.noise else []
        facts += ["tuned weights"] if self.tuned else []
        return f"Latent({', '.join(facts)})"

    def _repr_html_(self) -> str:
        return notebook_cell(self, None if self.photo is None else self.photo.images)

    @property
    def captions(self) -> tuple[str, ...]:
        """A name for each sample: `names`, else "seed 4", else "sample 0"."""
        if self.names:
            return self.names
        captions = [f"seed {seed}" for seed in self.seeds] or [f"sample {row}" for row in range(len(self))]
        if isinstance(self.label, tuple):
            captions = [f"{caption}, class {label}" for caption, label in zip(captions, self.label, strict=True)]
        return tuple(captions)

    @checked_as(LatentError)
    def rows(self, chosen: Sequence[int]) -> "Latent":
        """Return the latent of the samples `chosen`, counted from 0, in that order; some may come twice.

        Raises:
            LatentError: There is no such sample.
        """
        for row in chosen:
            if not 0 <= row < len(self):
                raise LatentError(f"Sample {row} does not exist: there are samples 0-{len(self) - 1}.")
        seeds = tuple(self.seeds[row] for row in chosen) if self.seeds else ()
        names = tuple(self.names[row] for row in chosen) if self.names else ()
        label = tuple(self.label[row] for row in chosen) if isinstance(self.label, tuple) else self.label
        noise = {name: self._noise_of(values, chosen) for name, values in self.noise.items()}
        codes, photo = self.codes[list(chosen)], self.photo and self.photo.rows(chosen)
        return replace(self, codes=codes, seeds=seeds, names=names, label=label, noise=noise, photo=photo)

    def _noise_of(self, values: Tensor, chosen: Sequence[int]) -> Tensor:
        many = values.ndim == 4 and len(values) == len(self) > 1
        return values[list(chosen)] if many else values

    @checked_as(LatentError)
    def save(self, path: str | Path) -> Path:
        """Write a safetensors file that `load_latent` reads; returns its path."""
        return write_tensors(path, "latent", *self.stored(), ResultFileError)

    def stored(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return what a file holds of the latent: its tensors, and JSON values; `stored_latent` takes them back."""
        tensors = {"codes": self.codes.float()}
        tensors |= {f"noise.{name}": values for name, values in self.noise.items()}
        tensors |= {f"tuned.{name}": values for name, values in self.tuned.items()}
        tensors |= {f"photo.{name}": values for name, values in (self.photo.tensors() if self.photo else {}).items()}
        return tensors, {name: getattr(self, name) for name in _HEADER}

    @checked_as(LatentError)
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
        self.generator_for(generator)

    def generator_for(self, generator: Generator) -> Generator:
        """Return the generator of this latent's images: `generator` itself, or one with the tuned weights.

        A generator that was made here for this latent, or for rows of it, is returned as it is. Raises
        `ResultFileError` where the tuned weights do not fit; warns where the latent comes from another generator.
        """
        about_of(generator).warn_of_another(
            "This latent was made by", self.generator, self.generator_hash, "its images may differ"
        )
        if not self.tuned or getattr(generator, "tuned", None) is self.tuned:
            return generator
        changed: Any = with_differences(generator, self.tuned)
        changed.tuned = self.tuned
        return changed

    @checked_as(LatentError)
    def to_space(self, generator: Generator, space: str) -> "Latent":
        """Return the same latent in another space: z becomes w, w+ or s, w becomes w+, w and w+ become s.

        Args:
            generator: The generator that the latent is for.
            space: The space to go to.

        Returns:
            The latent with codes of `space`, on the generator's device. Codes of z are mapped with the latent's own
            label and truncation.

        Raises:
            LatentError: The codes do not fit the generator, or no way leads from their space to `space`.
        """
        codes = to_space(
            self.generator_for(generator),
            self.codes,
            self.space,
            space,
            label=self.label,
            truncation=self.truncation,
            truncation_layers=self.truncation_layers,
        )
        return replace(self, codes=codes, space=space)

    def noise_for(self, generator: Generator) -> Noise:
        """Return the latent's own noise maps on the generator's device, or "const"."""
        return {name: values.to(generator.device) for name, values in self.noise.items()} or "const"

    @torch.no_grad()
    def images(self, generator: Generator) -> Iterator[Float[Tensor, "n 3 h w"]]:
        """Yield the images [n, 3, h, w], about [-1, 1], some samples at a time, on the CPU."""
        generator = self.generator_for(generator)
        for batch in batches(generator, len(self)):
            yield generator.synthesize(self[batch]).cpu()


_HEADER = tuple(name for name in Latent.__dataclass_fields__ if name not in ("codes", "noise", "tuned", "photo"))


def as_latent(given: object, space: str | None = None, *, asks_space: bool = False) -> Latent:
    """Return what a public function was given as a latent: a `Latent` itself, or a tensor of codes of `space`.

    Raises `LatentError` for a tensor without a space (`asks_space`: the function takes one), and for anything else.
    """
    if isinstance(given, Latent):
        return given
    if isinstance(given, Tensor) and space is not None:
        return Latent(given, space)
    make = 'a Latent, such as ganvas.Latent(codes, "w+")'
    if isinstance(given, Tensor):
        raise LatentError(
            f"A tensor of shape {list(given.shape)} does not say in which space its codes lie: give "
            f"{f'space=, or {make}' if asks_space else make}."
        )
    raise LatentError(
        f"Codes are a Latent; {reprlib.repr(given)} was given. Make one with ganvas.sample or ganvas.open_latent."
    )


@checked
def sample(
    generator: Generator,
    seeds: Sequence[int],
    *,
    space: str | None = None,
    truncation: Truncation = 1.0,
    truncation_layers: LayerCount | None = None,
    label: Label = None,
) -> Latent:
    """Return the codes of some seeds; a seed gives the same code in every batch and on every machine.

    Args:
        generator: The generator.
        seeds: Whole numbers from 0, one for each image.
        space: The space of the codes: by default w+ where the generator has layers, else w, else z.
        truncation: How far codes keep from the average: 1 as drawn, 0 the average image.
        truncation_layers: Truncate only so many first layers; None for all.
        label: The class, for generators that have classes: a number or a name, or a list with one for each seed.

    Returns:
        A `Latent` with codes [n, d], or [n, layers, d] in w+. In z, truncation and label are still to be applied, which
        everything that takes a `Latent` does.

    Raises:
        LatentError: Seeds, a space, a label or a truncation that the generator does not have.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> latent = ganvas.sample(G, [4, 9], truncation=0.7)
        >>> latent
        Latent(w+ [2, 12, 256], seeds 4, 9, truncation 0.7, generator 'faces')
        >>> latent[1].codes.shape
        torch.Size([1, 12, 256])
    """
    check_seeds(seeds)
    check_truncated_layers(generator, truncation_layers)
    space = space or next(one for one in ("w+", "w", "z") if one in generator.spaces)
    if space == "z" and truncation_layers is not None:
        raise LatentError("Codes of space z have no layers to truncate one by one; leave truncation_layers out.")
    label = settle_label(label, class_names(generator))
    if isinstance(generator, HasClasses):
        generator.one_hot(label, len(seeds))  # a wrong label fails here, not at the first image
    about = about_of(generator)
    drawn = Latent(
        generator.sample(seeds),
        "z",
        seeds=tuple(int(seed) for seed in seeds),
        label=label,
        truncation=truncation,
        truncation_layers=truncation_layers,
        generator=about.name,
        generator_hash=about.hash,
    )
    with torch.no_grad():
        return drawn.to_space(generator, space)
