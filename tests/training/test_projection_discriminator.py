"""BigGAN's discriminator against its formulas."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.generators.biggan.layers import Attention, Condition
from ganvas.training.gan.projection_discriminator import Bottleneck, ProjectionDiscriminator, SpectralAttention

pytestmark = pytest.mark.usefixtures("one_thread")


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int, size: int = 16, channels: int = 3) -> Tensor:
    return torch.randn(count, channels, size, size, generator=random(5))


@pytest.fixture
def discriminator() -> ProjectionDiscriminator:
    return ProjectionDiscriminator((16, 8, 8), 3, 2, random()).eval().requires_grad_(False)


def test_score_is_the_projection_formula(discriminator: ProjectionDiscriminator):
    x, classes = images(4), torch.tensor([0, 2, 1, 2])
    discriminator.bias.fill_(0.3)
    h = discriminator.features(x)
    w, e = discriminator.score()[0], discriminator.embedding()
    expected = torch.stack([h[i] @ w + 0.3 + e[y] @ h[i] for i, y in enumerate(classes.tolist())])
    torch.testing.assert_close(discriminator(x, classes), expected)


def test_two_classes_of_an_image_differ_by_their_embeddings(discriminator: ProjectionDiscriminator):
    x = images(2)
    difference = discriminator(x, torch.tensor([1, 1])) - discriminator(x, torch.tensor([2, 2]))
    e = discriminator.embedding()
    torch.testing.assert_close(difference, discriminator.features(x) @ (e[1] - e[2]))


@pytest.mark.float32
def test_a_score_depends_on_its_own_image_alone(discriminator: ProjectionDiscriminator):
    x, classes = images(3), torch.tensor([0, 1, 2])
    alone = torch.cat([discriminator(x[i : i + 1], classes[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(discriminator(x, classes), alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("outputs", "down"), [(8, False), (8, True), (12, True), (12, False)])
def test_a_block_is_its_formula(outputs: int, down: bool):
    block, x = Bottleneck(8, outputs, random(), down=down).eval().requires_grad_(False), images(2, 6, 8)
    y = x
    for number, conv in enumerate(block.convs):
        y = F.avg_pool2d(F.relu(y), 2) if down and number == 3 else F.relu(y)
        weight = conv.normal()
        y = F.conv2d(y, weight, conv.bias, padding=weight.shape[-1] // 2)
    new = x[:, :0] if block.added is None else F.conv2d(x, block.added.normal(), block.added.bias)
    shortcut = torch.cat([x, new], dim=1)
    torch.testing.assert_close(block(x), y + (F.avg_pool2d(shortcut, 2) if down else shortcut))


def test_attention_is_that_of_the_generator():
    ours, x = SpectralAttention(16, random()).eval().requires_grad_(False), images(2, 4, 16)
    theirs = Attention(16).requires_grad_(False)
    for name in ("query", "key", "value", "out"):
        getattr(theirs, name).weight.copy_(getattr(ours, name).normal())
    for part in (ours, theirs):
        part.gain.fill_(0.6)
    torch.testing.assert_close(ours(x), theirs(x, Condition(torch.zeros(2, 1), torch.zeros(1))))


def test_every_weight_has_largest_singular_value_one(discriminator: ProjectionDiscriminator):
    for name, module in discriminator.named_modules():
        if name.endswith("normal") or name in ("score", "embedding"):
            norm = torch.linalg.matrix_norm(module().flatten(1), ord=2)
            assert float(norm) == pytest.approx(1, abs=1e-3), name
