"""DCGAN files: PyTorch's example against its own images, its descendants, and what cannot be read."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ganvas
from ganvas.checkpoints.formats.dcgan import read_dcgan
from ganvas.checkpoints.own_format import build, save_generator
from ganvas.errors import CheckpointError, LatentError
from ganvas.generators.dcgan.generator import DCGAN, DCGANArchitecture, initialize
from ganvas.generators.protocol import About

VECTORS = Path(__file__).parent / "vectors"
EXAMPLE = VECTORS / "dcgan-example.pth"


@pytest.fixture
def named() -> dict[str, Tensor]:
    return dict(torch.load(EXAMPLE, weights_only=True))


def image_of(tree: object) -> Tensor:
    unbuilt = read_dcgan(tree, EXAMPLE)
    assert unbuilt is not None
    generator = build(unbuilt, EXAMPLE).eval()
    return generator.synthesize(generator.sample([0, 1]), "z").detach()


def test_the_example_gives_its_own_images(named: dict[str, Tensor]):
    with np.load(VECTORS / "dcgan-example.npz") as vector:
        images, z = torch.from_numpy(vector["image"]), torch.from_numpy(vector["z"])
    unbuilt = read_dcgan(named, EXAMPLE)
    assert unbuilt is not None
    assert unbuilt.architecture == DCGANArchitecture(64, (24, 12, 6, 3), 6)
    generator = build(unbuilt, EXAMPLE).eval()
    assert torch.equal(generator.sample([0, 1]), z)
    assert (generator.synthesize(z, "z") - images).abs().max() < 1e-4 * images.std()


def test_a_converted_dcgan_makes_the_same_images(tmp_path: Path):
    generator = ganvas.load(EXAMPLE)
    assert (generator.resolution, generator.spaces) == (64, ("z",))
    converted = ganvas.load(ganvas.convert(EXAMPLE, tmp_path / "dcgan.safetensors"))
    z = generator.sample([0])
    assert torch.equal(converted.synthesize(z, "z"), generator.synthesize(z, "z"))
    about = ganvas.info(EXAMPLE)
    assert (about["family"], about["resolution"], about["layers"]) == ("dcgan", 64, 0)


def test_own_format_keeps_what_training_made(tmp_path: Path):
    generator = initialize(DCGAN(DCGANArchitecture.standard(32, 4, 9)), torch.Generator().manual_seed(0))
    generator.train()(torch.randn(8, 9, generator=torch.Generator().manual_seed(1)))
    generator.eval()
    path = save_generator(tmp_path / "own.safetensors", generator, About("own", ""))
    z = generator.sample([0])
    torch.testing.assert_close(ganvas.load(path).synthesize(z, "z"), generator.synthesize(z, "z").detach())


def test_prefixes_and_checkpoints_around_it_do_not_matter(named: dict[str, Tensor]):
    expected = image_of(named)
    for prefix in ("module.main.", "", "net.generator."):
        renamed = {name.replace("main.", prefix): tensor for name, tensor in named.items()}
        assert torch.equal(image_of(renamed), expected)
    discriminator = {"main.0.weight": torch.zeros(4, 3, 4, 4), "main.2.weight": torch.zeros(1, 4, 4, 4)}
    assert torch.equal(image_of({"epoch": 3, "netD": discriminator, "netG": named}), expected)
    averaged = {name: tensor * 0.5 if tensor.ndim == 4 else tensor for name, tensor in named.items()}
    assert torch.equal(image_of({"netG": named, "netG_ema": averaged}), image_of(averaged))


def test_a_generator_is_told_from_other_networks_by_its_prefix(named: dict[str, Tensor]):
    expected = image_of(named)
    other = {name: torch.ones_like(tensor) for name, tensor in named.items()}
    for mine, its in (("generator.", "discriminator."), ("netG.", "netD."), ("g_ema.", "g."), ("model.G.", "model.D.")):
        both = {its + name: tensor for name, tensor in other.items()} | {mine + n: t for n, t in named.items()}
        assert torch.equal(image_of({"state_dict": both, "epoch": 3}), expected), mine
    decoder = {"encoder.0.weight": torch.zeros(3, 3)} | {f"decoder.{name}": t for name, t in named.items()}
    assert read_dcgan(decoder, EXAMPLE) is None


@pytest.mark.float32
def test_biases_before_normalization_go_into_its_mean(named: dict[str, Tensor]):
    torch.manual_seed(0)
    network = nn.Sequential(nn.ConvTranspose2d(5, 4, 4), nn.BatchNorm2d(4), nn.ReLU())
    network.extend([nn.ConvTranspose2d(4, 3, 4, 2, 1, bias=False), nn.Tanh()])
    network(torch.randn(9, 5, 1, 1))
    unbuilt = read_dcgan(dict(network.eval().state_dict()), EXAMPLE)
    assert unbuilt is not None
    z = torch.randn(2, 5)
    torch.testing.assert_close(build(unbuilt, EXAMPLE).eval()(z), network(z[:, :, None, None]))


def conditional(classes: int, label_first: bool, biased: bool, mean: float = 0.0) -> nn.Sequential:
    """Return a DCGAN that has seen codes of this mean with one-hot labels of unequal classes beside them."""
    torch.manual_seed(classes)
    network = nn.Sequential(
        *(nn.ConvTranspose2d(12 + classes, 40, 4, bias=biased), nn.BatchNorm2d(40, momentum=None), nn.ReLU()),
        *(nn.ConvTranspose2d(40, 3, 4, 2, 1, bias=False), nn.Tanh()),
    )
    z = torch.randn(20_000, 12) + mean
    if classes:
        rows = nn.functional.one_hot((torch.rand(20_000) ** 2 * classes).long(), classes).float()
        z = torch.cat([rows, z] if label_first else [z, rows], dim=1)
    for part in z.split(2000):
        network[:2](part[:, :, None, None])
    return network.eval().requires_grad_(False)


@pytest.mark.float32
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("label_first", [False, True])
@pytest.mark.parametrize("classes", [2, 10])
def test_classes_are_proved_by_the_running_mean(tmp_path: Path, classes: int, label_first: bool, biased: bool):
    network = conditional(classes, label_first, biased)
    torch.save(network.state_dict(), tmp_path / "g.pth")
    read = ganvas.load(tmp_path / "g.pth")
    assert (read.architecture.z_dim, read.architecture.label_dim) == (12, classes)
    assert "add up to 1" in read.about.source["classes"]
    z, label = torch.randn(3, 12), [0, 1, classes - 1]
    rows = nn.functional.one_hot(torch.tensor(label), classes).float()
    expected = network(torch.cat([rows, z] if label_first else [z, rows], dim=1)[:, :, None, None])
    torch.testing.assert_close(read.synthesize(z, "z", label=label).detach(), expected)
    again = ganvas.load(ganvas.convert(tmp_path / "g.pth", tmp_path / "ours.safetensors"))
    torch.testing.assert_close(again.synthesize(z, "z", label=label).detach(), expected)
    with pytest.raises(LatentError, match="needs a label"):
        read.synthesize(z, "z")
    image, push = read.double().linearize(z[:1].double(), "z", label=1)
    pairs = torch.func.jvp(lambda code: read.synthesize(code, "z", label=1), (z[:1].double(),), (z[1:2].double(),))
    torch.testing.assert_close((image, push(z[1:2].double())), pairs)


@pytest.mark.parametrize("mean", [0.0, 0.5])
def test_a_dcgan_without_classes_has_none(tmp_path: Path, mean: float):
    torch.save(conditional(0, False, False, mean).state_dict(), tmp_path / "g.pth")
    assert ganvas.load(tmp_path / "g.pth").architecture.label_dim == 0


def changed(named: dict[str, Tensor], name: str, tensor: Tensor | None) -> dict[str, Tensor]:
    rest = {other: value for other, value in named.items() if other != name}
    return rest if tensor is None else rest | {name: tensor}


@pytest.mark.parametrize(
    ("name", "tensor", "told"),
    [
        ("main.12.weight", torch.zeros(3, 64, 4, 4), "maps of 64 channels, which are no images"),
        ("main.6.weight", torch.zeros(12, 6, 3, 3), "kernels of sizes"),
        ("main.12.bias", torch.zeros(4), r"\[3\] was expected"),
        ("main.4.running_var", None, "is damaged"),
        ("main.3.bias", torch.zeros(5), "has shape"),
    ],
)
def test_what_is_not_the_published_one_is_refused(named, name: str, tensor: Tensor | None, told: str):
    with pytest.raises(CheckpointError, match=told):
        read_dcgan(changed(named, name, tensor), EXAMPLE)


@pytest.mark.parametrize("tree", [None, [], {}, {"a": 1}, {"w": torch.zeros(3)}, {"0.weight": torch.zeros(3)}, {1: {}}])
def test_other_trees_are_left_to_others(tree: object):
    assert read_dcgan(tree, EXAMPLE) is None


def test_shapes_that_contradict_each_other_are_refused(named: dict[str, Tensor]):
    broken = changed(named, "main.4.weight", torch.ones(11))
    unbuilt = read_dcgan(broken, EXAMPLE)
    assert unbuilt is not None
    with pytest.raises(CheckpointError, match="has shape"):
        build(unbuilt, EXAMPLE)
