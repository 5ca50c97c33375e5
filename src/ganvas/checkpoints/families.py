"""The families of generators: for each the dataclass that fixes its shapes, and the module built from that."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganvas.generators.biggan import generator as biggan
from ganvas.generators.biggan import synthesis as biggan_synthesis
from ganvas.generators.dcgan import generator as dcgan
from ganvas.generators.r3gan import generator as r3gan
from ganvas.generators.stylegan2 import generator as stylegan2
from ganvas.generators.stylegan2 import synthesis as stylegan2_synthesis
from ganvas.generators.stylegan3 import architecture as stylegan3_architecture
from ganvas.generators.stylegan3 import generator as stylegan3


@dataclass(frozen=True)
class Family:
    """``architecture`` is a frozen dataclass that checks itself, ``generator(architecture)`` the module."""

    architecture: type[Any]
    generator: type[Any]

    def from_description(self, described: Mapping[str, Any]) -> Any:
        """Return the architecture from its ``dataclasses.asdict`` in JSON: lists become tuples again.

        Raises `CheckpointError`, TypeError or ValueError where the fields do not fit.
        """
        return self.architecture(**{name: _as_tuples(value) for name, value in described.items()})


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list) else value


FAMILIES: Mapping[str, Family] = {
    "dcgan": Family(dcgan.DCGANArchitecture, dcgan.DCGAN),
    "biggan": Family(biggan_synthesis.BigGANArchitecture, biggan.BigGAN),
    "r3gan": Family(r3gan.R3GANArchitecture, r3gan.R3GAN),
    "stylegan2": Family(stylegan2_synthesis.StyleGAN2Architecture, stylegan2.StyleGAN2),
    "stylegan3": Family(stylegan3_architecture.StyleGAN3Architecture, stylegan3.StyleGAN3),
}
