"""Every family calls a hook for each of its feature maps, from coarse to fine, and goes on from what it returns."""

import pytest
import torch

from ganvas.errors import LatentError
from ganvas.generators.protocol import Hookable
from ganvas.latents.latent import sample
from tests.generators.biggan_parts import small_biggan
from tests.generators.small import small_stylegan2
from tests.generators.small_stylegan3 import small_stylegan3
from tests.generators.test_dcgan import small_dcgan
from tests.generators.test_wrap import BOX, Painter, ganvas

FAMILIES = {
    "stylegan2 skip": small_stylegan2,
    "stylegan2 resnet": lambda: small_stylegan2(16, "resnet"),
    "stylegan3": lambda: small_stylegan3(16),
    "biggan": small_biggan,
    "dcgan": lambda: small_dcgan(16),
    "wrapped": lambda: ganvas.wrap(Painter(), z_dim=6, regions={"box": BOX}),
}


@pytest.fixture(params=FAMILIES)
def generator(request):
    return FAMILIES[request.param]()


def codes_of(generator, seed=0):
    return sample(generator, [seed], label=2 if "BigGAN" in repr(generator) else None)


def test_a_hook_sees_every_map_from_coarse_to_fine_as_features_gives_them(generator):
    seen = {}

    def look(name, values):
        seen[name] = values.clone()
        return values

    latent = codes_of(generator)
    assert isinstance(generator, Hookable)
    image = generator.synthesize_hooked(look, latent)
    torch.testing.assert_close(image, generator.synthesize(latent))
    assert [name for name in seen if not name.endswith(".colors")] == list(generator.feature_names)
    for name, values in generator.features(latent, generator.feature_names).items():
        torch.testing.assert_close(seen[name], values)


def test_what_a_hook_returns_takes_the_place_of_the_map(generator):
    latent, other = codes_of(generator), codes_of(generator, 1)
    for name in generator.feature_names:
        feature = generator.features(other, [name])[name]
        hooked = generator.synthesize_hooked(lambda at, own, name=name, put=feature: put if at == name else own, latent)
        torch.testing.assert_close(hooked, generator.resume(name, feature, latent))


def test_colors_that_are_added_up_pass_the_hook_too():
    generator = small_stylegan2(16)
    latent = codes_of(generator)
    names = []
    black = generator.synthesize_hooked(
        lambda name, values: names.append(name) or (values * 0 if name.endswith("colors") else values), latent
    )
    assert names == [f"b{size}{what}" for size in (4, 8, 16) for what in ("", ".colors")]
    assert not black.any()


def test_a_hook_takes_one_code():
    generator = small_stylegan2(16)
    with pytest.raises(LatentError, match="maps of one code; 2 were given"):
        generator.synthesize_hooked(lambda _, values: values, sample(generator, [0, 1]))
