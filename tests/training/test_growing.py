"""A larger generator synthesizes the images of the smaller one that it starts from."""

from dataclasses import replace

import pytest
import torch

from ganvas.errors import TrainingError
from ganvas.generators import ops
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.training.gan.discriminators import StyleDiscriminator
from ganvas.training.gan.growing import start_discriminator_from, start_from
from tests.generators.small import small_stylegan2
from tests.training.test_discriminators import style_discriminator

pytestmark = pytest.mark.usefixtures("one_thread")


def larger(source: StyleGAN2, blocks: int = 0, width: int = 5, **changes) -> StyleGAN2:
    """Return a generator with more blocks and more channels, started from `source`."""
    old = source.architecture
    channels = (width,) * (len(old.channels) + blocks)
    torch.manual_seed(1)
    generator = StyleGAN2(replace(old, resolution=old.resolution * 2**blocks, channels=channels, **changes))
    start_from(generator, source)
    return generator.eval().requires_grad_(False)


def images_of(generator: StyleGAN2, noise: dict | str = "const") -> torch.Tensor:
    """Return the images of the same seeds."""
    return generator.synthesize(generator.map(generator.sample([0, 1, 2])), "w+", noise=noise)


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("width", [5, 9])
def test_grown_generator_synthesizes_upsampled_images(blocks: int, width: int):
    source = small_stylegan2(16)
    expected = images_of(source)
    kernel = torch.outer(*[torch.tensor([1.0, 3.0, 3.0, 1.0])] * 2) / 64
    for _ in range(blocks):
        expected = ops.upsample(expected, kernel)
    found = images_of(larger(source, blocks, width))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert expected.std() > 0.1


@pytest.mark.parametrize("kind", ["skip", "resnet", "orig"])
def test_wider_generator_synthesizes_the_same_image(kind):
    source = small_stylegan2(16, kind)
    for width in (5, 8):
        torch.testing.assert_close(images_of(larger(source, 0, width)), images_of(source), atol=1e-5, rtol=1e-5)


def test_wider_generator_uses_noise_as_its_source():
    source = small_stylegan2(16)
    wider = larger(source, 0, 8)
    noise = {name: torch.randn(3, 1, layer.resolution, layer.resolution) for name, layer in named(source).items()}
    torch.testing.assert_close(images_of(wider, noise), images_of(source, noise), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(images_of(source, noise), images_of(source), atol=1e-2)


def named(generator: StyleGAN2) -> dict:
    return {name: layer for name, layer in generator.synthesis.convolutions() if layer.has_noise}


def test_mapping_network_and_mean_w_are_copied():
    source = small_stylegan2(16)
    generator = larger(source, 1, 8)
    z = source.sample([7])
    assert torch.equal(generator.map(z, "w", truncation=0.4), source.map(z, "w", truncation=0.4))


def test_new_weights_of_a_generator_get_gradients():
    generator = larger(small_stylegan2(16), 1, 8).requires_grad_(True)
    # Weights that are zero and lead from new channels learn at once, those before them as soon as these have.
    image = generator.synthesize(generator.map(generator.sample([0, 1])), "w+")
    (image * torch.randn_like(image)).sum().backward()
    finest, coarse = generator.synthesis.blocks["b32"], generator.synthesis.blocks["b16"]
    assert finest.torgb.weight.grad.abs().min() > 0
    assert coarse.conv1.weight.grad[:5, 5:].abs().min() > 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden": (6, 6, 6)}, "hidden is"),
        ({"z_dim": 9}, "z_dim is 7, not 9"),
        ({"mapping_rate": 1.0}, "mapping_rate is"),
    ],
)
def test_source_with_another_mapping_network_is_refused(changes: dict, said: str):
    with pytest.raises(TrainingError, match=said):
        larger(small_stylegan2(16), **changes)


def test_generator_smaller_than_its_source_is_refused():
    with pytest.raises(TrainingError, match="resolution is 16, more than 8"):
        start_from(small_stylegan2(8), small_stylegan2(16))
    with pytest.raises(TrainingError, match=r"channels are .*, more than"):
        larger(small_stylegan2(16), 1, 4)
    with pytest.raises(TrainingError, match="kind is skip, not resnet"):
        start_from(small_stylegan2(16, "resnet"), small_stylegan2(16))


def test_source_is_unchanged():
    source = small_stylegan2(16)
    before = {name: t.clone() for name, t in source.state_dict().items()}
    larger(source, 1, 8)
    assert all(torch.equal(before[name], t) for name, t in source.state_dict().items())


@pytest.mark.float32
@pytest.mark.parametrize("finer", [(6,), (8, 6)])
def test_grown_discriminator_scores_as_its_source_at_lower_resolution(finer: tuple[int, ...]):
    source = style_discriminator()
    torch.manual_seed(3)
    for parameter in source.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)  # biases too
    discriminator = StyleDiscriminator((*source.channels, *finer))
    start_discriminator_from(discriminator, source)
    images = torch.randn(8, 3, 16 * 2 ** len(finer), 16 * 2 ** len(finer))
    smaller = images
    for _ in finer:
        smaller = ops.smooth(smaller, source.kernel, 1.0, pad=1)[..., ::2, ::2]
    torch.testing.assert_close(discriminator(images), source(smaller), atol=1e-5, rtol=1e-4)
    assert source(smaller).std() > 0.01


def test_new_weights_of_a_discriminator_get_gradients():
    discriminator = StyleDiscriminator((*style_discriminator().channels, 8))
    start_discriminator_from(discriminator, style_discriminator())
    discriminator(torch.randn(4, 3, 32, 32)).sum().backward()
    block = discriminator.blocks["b32"]
    # Weights that are zero learn at once, those before them as soon as these have.
    for weight in (block.conv1.weight, block.skip.weight):
        assert weight.grad.abs().min() > 0


def test_discriminator_of_equal_channels_is_copied():
    source = style_discriminator()
    discriminator = StyleDiscriminator(source.channels)
    start_discriminator_from(discriminator, source)
    assert all(torch.equal(discriminator.state_dict()[name], weight) for name, weight in source.state_dict().items())


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        ((16, 8, 8, 8), "coarse maps must"),
        ((16, 16), "coarse maps must"),
        ((16, 16, 8, 4), "4 channels are too few to pass on colors; give six or more"),
    ],
)
def test_source_discriminator_of_other_channels_is_refused(channels: tuple[int, ...], said: str):
    with pytest.raises(TrainingError, match=said):
        start_discriminator_from(StyleDiscriminator(channels), style_discriminator())
