"""R3GAN against the published network written a second time, its derivative, and its way of refusing."""

import pytest
import torch

import ganvas
from ganvas.errors import CheckpointError, LatentError
from ganvas.generators.protocol import Generator
from ganvas.generators.r3gan.generator import R3GAN, R3GANArchitecture, initialize
from ganvas.generators.r3gan.layers import Convolution, Residual, doubled, halved
from tests.generators.derivatives import check_linearize
from tests.generators.r3gan_parts import SMALL, Published, published_names, small_r3gan

CLASSES = R3GANArchitecture.of_maps((16, 8), z_dim=5, label_dim=3, embed_dim=4)


@pytest.mark.float32
def test_equals_the_published_network():
    generator = small_r3gan()
    z = generator.sample([0, 5])
    images = generator.synthesize(z, "z")
    assert images.shape == (2, 3, 32, 32)
    torch.testing.assert_close(images, Published(published_names(generator), 4, 2)(z), atol=1e-4, rtol=1e-4)


@pytest.mark.float32
def test_equals_the_published_network_with_classes():
    generator = small_r3gan(CLASSES)
    z, label = generator.sample([0, 1]), torch.eye(3)[:2]
    images = generator.synthesize(z, "z", label=label)
    torch.testing.assert_close(images, Published(published_names(generator), 2, 2)(z, label), atol=1e-4, rtol=1e-4)
    assert not torch.equal(images, generator.synthesize(z, "z", label=2))


def test_the_published_sizes():
    """Those of FFHQ at 256 px."""
    with torch.device("meta"):
        generator = R3GAN(R3GANArchitecture.of_maps((768, 768, 768, 768, 384, 192, 96)))
    first = generator.blocks["b4"].residuals[0]
    assert isinstance(first, Residual)
    assert (first.conv1.groups, tuple(first.conv1.weight.shape)) == (96, (1536, 16, 3, 3))
    assert [block.residuals[0].conv1.groups for block in generator.blocks.values()] == [96, 96, 96, 96, 48, 24, 12]
    assert generator.dimensions("z") == (64,)


def test_first_weights_keep_the_variance_and_blocks_begin_as_nothing():
    generator = R3GAN(R3GANArchitecture.of_maps((64, 32, 32)))
    initialize(generator, torch.Generator().manual_seed(0))
    for block in generator.blocks.values():
        for residual in block.residuals:
            assert not residual.conv2.weight.any()
            expected = (2 / 1.04) ** 0.5 * 6 ** (-1 / 4)  # six blocks
            for conv in (residual.conv0, residual.conv1):
                std = conv.weight.detach().std() * conv.weight[0].numel() ** 0.5
                assert abs(float(std) / expected - 1) < 0.05


def test_sizes_are_doubled_and_halved_by_the_filter():
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = torch.randn(1, 2, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert abs(float((doubled(x) * y).sum() - 4 * (x * halved(y)).sum())) < 1e-12  # the transpose, over 4
    middle = doubled(torch.ones(1, 1, 8, 8))[..., 1:-1, 1:-1]
    torch.testing.assert_close(middle, torch.ones_like(middle))
    torch.testing.assert_close(halved(torch.ones(1, 1, 8, 8))[..., 1:-1, 1:-1], torch.ones(1, 1, 2, 2))


def test_derivative_equals_forward_mode():
    check_linearize(small_r3gan(dtype=torch.float64), "z", rtol=1e-9, atol=1e-12)


def test_derivative_holds_the_class_fixed():
    generator = small_r3gan(CLASSES, torch.float64)
    z, label = generator.sample([3]).double(), 1
    image, push = generator.linearize(z, "z", label=label, truncation=0.5)
    torch.testing.assert_close(image, generator.synthesize(z, "z", label=label, truncation=0.5))
    step = 1e-6 * torch.ones_like(z)
    moved = generator.synthesize(z + step, "z", label=label, truncation=0.5)
    torch.testing.assert_close(push(step), moved - image, atol=1e-10, rtol=1e-4)


@pytest.mark.parametrize("name", ["b4", "b8", "b16", "b32"])
def test_resuming_from_a_map_gives_the_same_image(name: str):
    generator = small_r3gan()
    z = generator.sample([0, 1])
    maps = generator.features(z, [name], "z", with_image=True)
    assert maps[name].shape[2:] == (int(name[1:]),) * 2
    assert torch.equal(generator.resume(name, maps[name], z, "z"), maps["image"])
    assert not torch.equal(generator.resume(name, maps[name] + 1, z, "z"), maps["image"])


def test_satisfies_the_protocol_and_a_code_has_few_columns():
    generator = small_r3gan()
    assert isinstance(generator, Generator)
    assert (generator.spaces, generator.layers, generator.feature_names) == (("z",), 0, ("b4", "b8", "b16", "b32"))
    found = ganvas.find_directions(generator, ganvas.sample(generator, [1]), "box:0.3,0.3,0.7,0.7", count=2)
    assert found.vectors.shape == (2, 7)


def test_a_confined_edit_changes_nothing_outside():
    generator = small_r3gan()
    latent = ganvas.sample(generator, [1])
    region = ganvas.Region.box(0.3, 0.3, 0.7, 0.7)
    found = ganvas.find_directions(generator, latent, region, count=1)
    recipe = ganvas.Recipe(latent)
    changed = ganvas.render(generator, recipe.move(found[0], 3.0, inside=region))
    before = ganvas.render(generator, recipe)
    same = (changed == before).all(dim=1)[0]
    assert same[0].all()
    assert same[:, -1].all()
    assert not same[16, 16]


def test_bfloat16_images_are_near_those_in_float32():
    generator = small_r3gan()
    z = generator.sample([0, 1])
    exact = generator.synthesize(z, "z")
    rounded = generator.set_precision(torch.bfloat16).synthesize(z, "z")
    assert rounded.dtype == torch.float32
    assert (rounded - exact).std() < 0.02 * exact.std()
    assert generator.linearize(z[:1], "z")[0].dtype == torch.float32


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda g, z: g.map(z), "space z only"),
        (lambda g, z: g.synthesize(z[:, :3], "z"), r"wants \[n, 7\]"),
        (lambda g, z: g.synthesize(z, "z", label=3), "no classes"),
        (lambda g, z: g.features(z, ["b64"], "z"), "has b4, b8, b16, b32"),
        (lambda g, z: g.train().linearize(z, "z"), r"call eval\(\) first"),
    ],
)
def test_unfit_calls_are_refused(call, told: str):
    generator = small_r3gan()
    with pytest.raises(LatentError, match=told):
        call(generator, generator.sample([0]))


@pytest.mark.parametrize(
    "changes",
    [
        {"resolution": 48},
        {"groups": (3, 2, 2)},
        {"groups": (5, 2, 2, 1)},
        {"blocks": (2, 2, 2, 99)},
        {"blocks": (2, 2, 2, 0)},
        {"label_dim": 3},
        {"embed_dim": 4},
        {"z_dim": 0},
    ],
)
def test_impossible_architectures_are_refused(changes: dict):
    with pytest.raises(CheckpointError):
        R3GANArchitecture(**{**vars(SMALL), **changes})


def test_a_convolution_is_in_groups():
    convolution = Convolution(4, 4, 3, groups=2)
    x = torch.zeros(1, 4, 5, 5)
    x[:, :2] = 1
    assert not convolution(x)[:, 2:].any()
