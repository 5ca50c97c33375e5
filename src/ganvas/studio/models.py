"""What all sessions of a process share: generators, and the Jacobians of images, within a bound of memory."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ganvas.checkpoints.load import BUNDLED, load
from ganvas.directions.cached import CachedSearch, cache_jacobians
from ganvas.directions.resefa import ReSeFa
from ganvas.errors import CheckpointError
from ganvas.generators.protocol import Generator, about_of
from ganvas.io.progress import Progress
from ganvas.latents.latent import Latent
from ganvas.metrics.features import load_features
from ganvas.metrics.likeness import Likeness, likeness

MOST_GENERATORS = 3
JACOBIAN_BYTES = 2**30
ENDINGS = (".safetensors", ".pt", ".pth", ".pkl", ".ckpt", ".npz", ".bin")


@dataclass
class Models:
    """The generators that a page may choose by name: bundled ones, one named at start, files of folders, uploads."""

    device: torch.device
    dtype: torch.dtype = torch.float32
    files: dict[str, str] = field(default_factory=lambda: {name: name for name in BUNDLED})
    loaded: OrderedDict[str, Generator] = field(default_factory=OrderedDict)
    measures: dict[str, Likeness] = field(default_factory=dict)

    def add(self, source: str | Path, name: str = "") -> str:
        """Offer a generator; returns the name by which pages know it."""
        wanted = name or (Path(source).name if Path(source).suffix else str(source))
        known = (wanted, *(f"{wanted} ({number})" for number in range(2, 1000)))
        name = next(one for one in known if self.files.get(one, str(source)) == str(source))
        self.files[name] = str(source)
        return name

    def add_folder(self, folder: Path) -> None:
        """Offer the checkpoints of a folder; raises `CheckpointError` where it is none."""
        if not folder.is_dir():
            raise CheckpointError(f"There is no folder '{folder}'; give one that holds checkpoints.")
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix.lower() in ENDINGS:
                self.add(path)

    def load(self, name: str) -> Generator:
        """Return a generator that is offered; those used last stay in memory."""
        if name not in self.files:
            raise CheckpointError(f"There is no generator '{name[:60]}' here; there are {', '.join(self.files)}.")
        if name not in self.loaded:
            self.loaded[name] = load(self.files[name], self.device, self.dtype)
            if len(self.loaded) > MOST_GENERATORS:
                self.loaded.popitem(last=False)
        self.loaded.move_to_end(name)
        return self.loaded[name]

    def likeness(self, name: str) -> Likeness:
        """Return how alike two images of a generator are measured: chosen once for each, by looking for faces."""
        if name not in self.measures:
            self.measures[name] = likeness(self.load(name), load_features(device=self.device))
        return self.measures[name]


@dataclass
class Jacobians:
    """The cached searches of images, the ones used last first, at most so many bytes."""

    most: int = JACOBIAN_BYTES
    kept: OrderedDict[Hashable, CachedSearch] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def bytes(self) -> int:
        """Bytes that they take."""
        with self.lock:
            return sum(one.bytes for one in self.kept.values())

    def find(self, key: Hashable) -> CachedSearch | None:
        """Return what is kept."""
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
            return self.kept.get(key)

    def keep(self, key: Hashable, search: CachedSearch) -> None:
        """Keep a search; those used longest ago make room."""
        with self.lock:
            self.kept[key] = search
            while len(self.kept) > 1 and sum(one.bytes for one in self.kept.values()) > self.most:
                self.kept.popitem(last=False)


@dataclass(frozen=True)
class SearchSettings:
    """How the directions of the page are searched for."""

    space: str | None = None
    layers: str | None = None
    weight: float = 1.0

    def key(self, generator: Generator, latent: Latent) -> Hashable:
        """Return what a Jacobian depends on: the image, the space and the layers."""
        if latent.seeds and not latent.tuned:
            image = latent.seeds, latent.truncation, latent.label, latent.space
        else:
            image = (id(latent.codes), latent.names)
        return about_of(generator).hash, id(generator), image, self.space, self.layers

    def method(self) -> ReSeFa:
        """Return the method that solves for directions."""
        return ReSeFa(background_weight=self.weight)

    def jacobian(self, generator: Generator, latent: Latent, progress: Progress) -> CachedSearch:
        """Return the cached search of an image."""
        return cache_jacobians(generator, latent, space=self.space, layers=self.layers, progress=progress)


def default_layers(generator: Generator) -> str | None:
    """Return the layers that the generator's card recommends for local edits."""
    return (about_of(generator).edit_layers or None) if generator.layers else None
