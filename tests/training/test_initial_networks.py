"""Starting a run from trained networks: what a generator of higher resolution and its discriminator keep."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.errors import TrainingError
from ganvas.generators import ops
from ganvas.training.gan import snapshots, starting
from ganvas.training.gan.channels import parse_channels
from ganvas.training.gan.dcgan import DCGANSettings
from ganvas.training.gan.networks import Networks
from ganvas.training.gan.sampling import sample_ws
from ganvas.training.gan.snapshots import TrainingState
from ganvas.training.gan.stylegan2 import StyleGAN2Settings
from ganvas.training.randomness import Randomness

CPU = torch.device("cpu")
SMALL = StyleGAN2Settings((8, 8, 6), (8, 8, 6), z_dim=8, mapping_layers=2, batch=4)
LARGE = replace(SMALL, channels=(8, 8, 6, 6), discriminator_channels=(8, 8, 6, 6), seed=5)


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A snapshot whose average differs from its generator."""
    networks = SMALL.build(CPU)
    with torch.no_grad():
        for parameter in networks.average.parameters():
            parameter.mul_(0.9)
    path = tmp_path / "snapshot-000000064.safetensors"
    return snapshots.write(path, networks, TrainingState(16, 64), vars(SMALL), {})


@pytest.mark.float32
def test_all_networks_start_from_a_snapshot(snapshot: Path):
    small = starting.read_initial(str(snapshot))
    assert isinstance(small, Networks)
    large = LARGE.build(CPU, small)
    codes = sample_ws(small.generator, Randomness(0, 0), 2, 0.0)
    for part in ("generator", "average"):
        fine, coarse = getattr(large, part), getattr(small, part)
        wide = torch.cat([codes, codes[:, -2:]], dim=1)
        enlarged = ops.upsample(coarse.synthesize(codes, "w+", noise="none"), coarse.synthesis.kernel)
        torch.testing.assert_close(fine.synthesize(wide, "w+", noise="none"), enlarged)
    images = torch.randn(4, 3, 32, 32)
    smaller = ops.smooth(images, small.discriminator.kernel, 1.0, pad=1)[..., ::2, ::2]
    torch.testing.assert_close(large.discriminator(images), small.discriminator(smaller), atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_generator_comes_with_its_discriminator_where_the_channels_fit():
    channels = ganvas.load("faces").architecture.channels
    for widths, fits in (
        (channels, True),
        ((*channels, 16), True),
        (channels[:-1], False),
        ((512, *channels[1:]), False),
    ):
        source = starting.read_initial("faces", widths)
        assert source.generator.family == "stylegan2"
        assert (source.discriminator is not None) == fits
    assert starting.read_initial("faces-dcgan").discriminator is None
    settings = StyleGAN2Settings(channels, channels, z_dim=256, mapping_layers=4)
    source = starting.read_initial("faces", channels)
    built = settings.build(CPU, source)
    images = torch.rand(4, 3, 128, 128) * 2 - 1
    torch.testing.assert_close(built.discriminator(images), source.discriminator(images))


def test_dcgan_starts_from_equal_networks_alone():
    settings = DCGANSettings(32, width=4, discriminator_width=4, batch=4)
    source = settings.build(CPU)
    built = replace(settings, seed=3).build(CPU, source)
    for name, module in built.modules.items():
        for key, tensor in module.state_dict().items():
            assert torch.equal(tensor, source.modules[name].state_dict()[key])
    with pytest.raises(TrainingError, match="same sizes"):
        replace(settings, width=6).build(CPU, source)


@pytest.mark.parametrize("text", ["16,16", "16,16,x", "16,,16", "16,16,0", "", "-1,2,3"])
def test_text_without_a_channel_for_each_map_is_refused(text: str):
    with pytest.raises(TrainingError, match="maps of 4, 8"):
        parse_channels(text, 16)


def test_channels_are_parsed():
    assert parse_channels("16, 12,8", 16) == (16, 12, 8)
