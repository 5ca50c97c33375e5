"""Feature maps of z codes through the protocol: of every family, with a class and a truncation where it has them."""

import pytest
import torch

import ganvas
from ganvas.generators.protocol import Generator
from tests.generators.biggan_parts import small_biggan
from tests.generators.small import small_stylegan2
from tests.generators.small_stylegan3 import small_stylegan3
from tests.generators.test_dcgan import small_dcgan
from tests.generators.test_wrap import Painter

MADE = {
    "stylegan2": lambda: small_stylegan2(16, label_dim=3),
    "stylegan3": lambda: small_stylegan3(label_dim=3),
    "biggan": small_biggan,
    "dcgan": small_dcgan,
    "wrapped": lambda: ganvas.wrap(Painter(classes=3), z_dim=6, classes=3),
}


@pytest.mark.parametrize("family", MADE)
def test_maps_and_images_of_z_codes_belong_together(family: str) -> None:
    generator: Generator = MADE[family]()
    z = generator.sample([0, 5])
    label = None if family == "dcgan" else 2
    name = generator.feature_names[-2]
    found = generator.features(z, [name], "z", with_image=True, label=label, truncation=0.6)
    expected = generator.synthesize(z, "z", label=label, truncation=0.6)
    torch.testing.assert_close(found["image"], expected)
    resumed = generator.resume(name, found[name], z, "z", label=label, truncation=0.6)
    torch.testing.assert_close(resumed, expected)
    alone = generator.features(z, [name], "z", label=label, truncation=0.6)[name]
    torch.testing.assert_close(alone, found[name])
    other = generator.features(z, [name], "z", label=label, truncation=0.9)[name]
    assert (other - found[name]).abs().max() > 1e-3


@pytest.mark.parametrize("family", ["stylegan2", "stylegan3"])
def test_style_based_maps_of_z_are_those_of_the_mapped_codes(family: str) -> None:
    generator = MADE[family]()
    z, name = generator.sample([1]), generator.feature_names[-2]
    ws = generator.map(z, "w+", label=1, truncation=0.5, truncation_layers=2)
    of_z = generator.features(z, [name], "z", label=1, truncation=0.5, truncation_layers=2)[name]
    torch.testing.assert_close(of_z, generator.features(ws, [name], "w+")[name])


def test_gradients_reach_z() -> None:
    generator = small_stylegan2(16, label_dim=3)
    z = generator.sample([0]).requires_grad_()
    generator.features(z, ["b8"], "z", label=0, truncation=0.7)["b8"].square().sum().backward()
    assert z.grad is not None
    assert z.grad.abs().min() > 0
