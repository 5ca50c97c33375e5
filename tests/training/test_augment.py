"""Augmentation: exact where it must be, the paper's matrices, statistics of the draws, gradients, shared batches."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.training.gan.augment import (
    adaptive,
    blits,
    colors,
    cut_out,
    differentiable,
    geometry,
    jittered,
    moved,
    recolored,
    unchanged,
)
from ganvas.training.gan.warp import quarter_turns, rotation, scaling, soften, softening, translation, warp
from ganvas.training.randomness import Randomness, Shard

ALL = {
    "unchanged": unchanged,
    "differentiable": differentiable(),
    "adaptive at 0.3": adaptive(0.3),
    "adaptive at 1": adaptive(torch.tensor(1.0)),
}


def images(n: int = 6, side: int = 16, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(1), dtype=dtype) * 2 - 1


def rows(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def test_unknown_part_is_refused_by_name():
    with pytest.raises(TrainingError, match=r"no augmentation 'blur' here; choose from blit, geometry, color\."):
        adaptive(0.5, ("blit", "blur"))
    with pytest.raises(TrainingError, match="'geometry'"):
        differentiable(("geometry",))


def test_augmentation_without_parts_or_strength_is_the_identity():
    x = images()
    for augment in (adaptive(0.0), adaptive(torch.tensor(0.0)), adaptive(1.0, ()), differentiable(()), unchanged):
        assert torch.equal(augment(x, Randomness(0, 0)), x)


def test_samples_without_a_draw_are_bit_identical():
    x = images(64)
    same = (adaptive(0.1)(x, Randomness(0, 0)) == x).flatten(1).all(dim=1)
    assert 15 < same.sum() < 45  # about 0.9^13 of the rows for thirteen chances, some of which change nothing


@pytest.mark.parametrize("name", ALL)
def test_two_processes_together_augment_as_one(name: str):
    x, augment = images(8), ALL[name]
    whole = augment(x, Randomness(3, 5))
    parts = [augment(part, Randomness(3, 5, Shard(rank, 2))) for rank, part in enumerate(x.chunk(2))]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", ALL)
def test_augmentation_depends_on_the_draws_alone(name: str):
    x, augment = images(8), ALL[name]
    assert torch.equal(augment(x, Randomness(0, 0)), augment(x, Randomness(0, 0)))
    assert name == "unchanged" or not torch.equal(augment(x, Randomness(0, 0)), augment(x, Randomness(0, 1)))


@pytest.mark.parametrize("name", ALL)
def test_augmentation_is_independent_of_memory_layout_and_precision(name: str):
    x, augment = images(8), ALL[name]
    expected = augment(x, Randomness(0, 0))
    last = augment(x.to(memory_format=torch.channels_last), Randomness(0, 0))
    torch.testing.assert_close(last, expected, rtol=0, atol=1e-5)
    half = augment(x.bfloat16(), Randomness(0, 0))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), expected, rtol=0.02, atol=0.05)


@pytest.mark.parametrize("name", ALL)
def test_augmentation_has_correct_gradients(name: str):
    x, augment = images(3, 8, torch.float64), ALL[name]
    assert torch.autograd.gradcheck(lambda x: augment(x, Randomness(2, 0)), x.requires_grad_(), fast_mode=True)


@given(st.integers(-20, 20), st.integers(-20, 20))
@settings(max_examples=20)
def test_translation_by_whole_pixels_is_exact_with_zeros_outside(dx: int, dy: int):
    x = images(1, 12)
    expected = torch.zeros_like(x)
    padded = torch.nn.functional.pad(x, (20, 20, 20, 20))
    expected = padded[:, :, 20 - dy : 32 - dy, 20 - dx : 32 - dx]
    assert torch.equal(moved(x, torch.tensor([dx]), torch.tensor([dy])), expected)


@given(st.integers(-6, 6), st.integers(-6, 6))
@settings(max_examples=20)
def test_warping_by_whole_pixels_is_exact_and_mirrors_the_edges(dx: int, dy: int):
    x = images(1)
    padded = torch.from_numpy(np.pad(x.numpy(), ((0, 0), (0, 0), (6, 6), (6, 6)), mode="symmetric"))
    expected = padded[:, :, 6 - dy : 22 - dy, 6 - dx : 22 - dx]
    result = warp(x, translation(rows(dx), rows(dy)))
    inside = slice(max(dy, 0), 16 + min(dy, 0)), slice(max(dx, 0), 16 + min(dx, 0))
    assert torch.equal(result[..., inside[0], inside[1]], expected[..., inside[0], inside[1]])
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)


def test_flips_and_quarter_turns_are_exact():
    x = images(4)
    flip = scaling(-torch.ones(4), torch.ones(4))
    assert torch.equal(warp(x, flip), x.flip(3))
    assert torch.equal(warp(warp(x, flip), flip), x)
    turned = warp(x, quarter_turns(torch.arange(4)))
    for count in range(4):
        assert torch.equal(turned[count], x[count].rot90(-count, (1, 2)))  # clockwise


def test_cutout_is_a_square_clipped_by_the_image():
    x = torch.ones(3, 3, 16, 16)
    result = cut_out(x, torch.tensor([8, 0, 16]), torch.tensor([8, 16, 5]), 8)
    assert torch.equal(result[0, :, 4:12, 4:12], torch.zeros(3, 8, 8))
    assert (result == 0).sum(dim=(1, 2, 3)).tolist() == [3 * 64, 3 * 16, 3 * 32]


def test_jitter_is_brightness_then_saturation_then_contrast():
    x = images(4)
    brightness, saturation, contrast = rows(0.3, -0.5, 0, 0.1), rows(0, 2, 1, 0.5), rows(0.5, 1.5, 1, 1.2)
    expected = x + brightness[:, None, None, None]
    gray = expected.mean(dim=1, keepdim=True)
    expected = (expected - gray) * saturation[:, None, None, None] + gray
    mean = expected.mean(dim=(1, 2, 3), keepdim=True)
    expected = (expected - mean) * contrast[:, None, None, None] + mean
    torch.testing.assert_close(jittered(x, brightness, saturation, contrast), expected)


def cubic_error(frequency: float) -> float:
    """Return the largest error for ``exp(i frequency x)`` of the cubic of Keys (1981) with a = -0.75."""
    t = np.linspace(0, 1, 101)[:, None]
    distance = np.abs(np.arange(-1, 3) - t)  # [t, tap]
    near = 1.25 * distance**3 - 2.25 * distance**2 + 1
    far = -0.75 * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    wave = np.exp(1j * frequency * (np.arange(-1, 3) - t))
    return float(np.abs((np.where(distance <= 1, near, far) * wave).sum(axis=1) - 1).max())


@pytest.mark.slow
@given(st.floats(-math.pi, math.pi), st.floats(1, 1.6), st.floats(-9, 9), st.floats(-9, 9), st.floats(0.3, 0.9))
@settings(max_examples=25)
def test_warped_wave_follows_the_matrix(angle: float, size: float, dx: float, dy: float, frequency: float):
    """A wave has values between the pixels too: read at the inverse of each new place, it is the answer."""
    side = 64
    middle = torch.arange(side) - (side - 1) / 2

    def wave(x: Tensor, y: Tensor) -> Tensor:
        return torch.cos(frequency * (0.8 * x + 0.6 * y) + 0.4)

    x = wave(middle, middle[:, None]).expand(1, 3, side, side)
    motion = translation(rows(dx), rows(dy)) @ rotation(rows(angle)) @ scaling(rows(size), rows(size))
    back = torch.linalg.inv(motion.double())[0]
    old_x, old_y = (back[i, 0] * middle + back[i, 1] * middle[:, None] + back[i, 2] for i in (0, 1))
    known = (old_x.abs() < 28) & (old_y.abs() < 28)
    error = (warp(x, motion)[0, 0] - wave(old_x, old_y))[known].abs()
    assert error.max() < (1 + cubic_error(0.8 * frequency)) * (1 + cubic_error(0.6 * frequency)) - 1 + 1e-4


def test_only_shrinking_is_smoothed():
    motions = torch.cat([rotation(rows(0.6)), scaling(rows(1.5), rows(1.0)), scaling(rows(0.5), rows(0.8))])
    across, down = softening(torch.linalg.inv(motions))
    torch.testing.assert_close(across, rows(0, 0, (4 - 1) / 24), atol=2e-6, rtol=0)
    torch.testing.assert_close(down, rows(0, 0, (1.5625 - 1) / 24), atol=2e-6, rtol=0)
    # A wave is damped by 1 - 2a + 2a cos(frequency), which is what the weights (a, 1 - 2a, a) do to it.
    wave = torch.cos(2.0 * torch.arange(64)).expand(1, 3, 64, 64)
    damped = soften(wave, rows(0.125), rows(0))
    assert torch.equal(soften(wave, rows(0), rows(0)), wave)
    torch.testing.assert_close(damped[..., 8:56], wave[..., 8:56] * (0.75 + 0.25 * math.cos(2.0)), atol=1e-6, rtol=0)


def test_shrinking_aliases_less_than_subsampling():
    fine = torch.cos(0.9 * math.pi * torch.arange(64)).expand(1, 3, 64, 64)
    half = rows(0.5)
    shrunk = warp(fine, scaling(half, half))[..., 16:48, 16:48]
    every_other = fine[..., ::2]
    assert shrunk.std() < 0.6 * every_other.std()


def plain_motion(*steps: tuple[str, float, float]) -> np.ndarray:
    """Multiply one image's motions, the first one first: a second implementation."""
    product = np.eye(3)
    for kind, a, b in steps:
        if kind == "move":
            matrix = np.array([[1, 0, a], [0, 1, b], [0, 0, 1]])
        elif kind == "scale":
            matrix = np.diag([a, b, 1])
        else:
            matrix = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
        product = matrix @ product
    return product


class Recorded(Randomness):
    """Draws as `Randomness`, and keeps what was drawn."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, 0)
        self.seen: list[np.ndarray] = []

    def _keep(self, values: Tensor) -> Tensor:
        self.seen.append(values.double().numpy())
        return values

    def normal(self, total: int, *shape: int) -> Tensor:
        return self._keep(super().normal(total, *shape))

    def uniform(self, total: int, *shape: int) -> Tensor:
        return self._keep(super().uniform(total, *shape))

    def integers(self, below: int, total: int, *shape: int) -> Tensor:
        return self._keep(super().integers(below, total, *shape))


def test_blits_compose_in_the_papers_order():
    draws, strength = Recorded(0), 0.6
    result = blits(draws, 40, strength, 64)
    flips, flip_chance, turns, turn_chance, moves, move_chance = draws.seen
    for i in range(40):
        flip = -1 if flips[i] and flip_chance[i] < strength else 1
        turn = turns[i] * math.pi / 2 if turn_chance[i] < strength else 0
        move = np.round((moves[i] * 2 - 1) * 8) if move_chance[i] < strength else (0, 0)
        expected = plain_motion(("scale", flip, 1), ("turn", turn, 0), ("move", move[0], move[1]))
        np.testing.assert_allclose(result[i].numpy(), expected, atol=1e-6)


def test_geometry_composes_in_the_papers_order():
    draws, strength = Recorded(0), 0.6
    result = geometry(draws, 40, strength, 64)
    scales, scale_chance, stretches, stretch_chance, *turns, moves, move_chance = draws.seen
    once = 1 - math.sqrt(1 - strength)
    for i in range(40):
        scale = 2 ** (0.2 * scales[i]) if scale_chance[i] < strength else 1
        stretch = 2 ** (0.2 * stretches[i]) if stretch_chance[i] < strength else 1
        first, second = ((turns[k][i] * 2 - 1) * math.pi if turns[k + 1][i] < once else 0 for k in (0, 2))
        move = moves[i] * 8 if move_chance[i] < strength else (0, 0)
        expected = plain_motion(
            ("scale", scale, scale), ("turn", first, 0), ("scale", stretch, 1 / stretch), ("turn", second, 0),
            ("move", move[0], move[1]),
        )  # fmt: skip
        np.testing.assert_allclose(result[i].numpy(), expected, atol=1e-5)


def test_colors_compose_in_the_papers_order():
    draws, strength = Recorded(0), 0.6
    result = colors(draws, 40, strength)
    drawn = draws.seen[::2]
    brightness, contrast, inverted, hue, saturation = (
        np.where(chance < strength, values, neutral)
        for values, chance, neutral in zip(drawn, draws.seen[1::2], (0, 0, 0, 0.5, 0), strict=True)
    )
    gray = np.full(3, 3**-0.5)
    for i in range(40):
        color = np.array([0.3, -0.2, 0.7])
        expected = (color + 0.2 * brightness[i]) * 2 ** (0.5 * contrast[i])
        expected = expected - 2 * gray * (gray @ expected) * inverted[i]
        angle = (2 * hue[i] - 1) * math.pi
        along = gray * (gray @ expected)
        turned = (expected - along) * math.cos(angle) + np.cross(gray, expected) * math.sin(angle)
        expected = along + turned * 2 ** saturation[i]
        found = recolored(torch.tensor(color, dtype=torch.float32)[None, :, None, None], result[i : i + 1])
        np.testing.assert_allclose(found.flatten().numpy(), expected, atol=1e-5)


def test_draws_have_the_probabilities_and_stds_of_the_paper():
    n, strength = 20_000, 0.4
    motions = geometry(Randomness(0, 0), n, strength, 64)
    still = (motions == torch.eye(3)).flatten(1).all(dim=1).double().mean()
    assert still == pytest.approx((1 - strength) ** 4, abs=0.01)  # scale, stretch, motion, and either rotation
    scales = torch.linalg.det(motions[:, :2, :2]).log2() / 2
    assert scales.std() == pytest.approx(0.2 * math.sqrt(strength), rel=0.03)
    assert motions[:, 0, 2].std() == pytest.approx(8 * math.sqrt(strength), rel=0.03)
    motions = blits(Randomness(0, 1), n, 1.0, 64)
    assert (torch.linalg.det(motions[:, :2, :2]) < 0).double().mean() == pytest.approx(0.5, abs=0.02)
    assert motions[:, :2, 2].abs().max() == 8
    matrices = colors(Randomness(0, 2), n, strength)
    assert (matrices == torch.eye(4)).flatten(1).all(dim=1).double().mean() == pytest.approx(
        (1 - strength) ** 4 * (1 - strength / 2), abs=0.01
    )
    assert matrices[:, :3, :3].sum(dim=(1, 2)).abs().div(3).log2().std() == pytest.approx(
        0.5 * math.sqrt(strength), rel=0.03
    )


def test_differentiable_draws_have_the_ranges_of_the_paper():
    inside = torch.ones(2000, 3, 16, 16)
    gray = differentiable(("translation",))(inside, Randomness(0, 0))[:, 0] == 0
    left, right = gray[:, 8].long().argmin(dim=1), gray[:, 8].flip(1).long().argmin(dim=1)
    shift = left - right
    assert (shift.min(), shift.max()) == (-2, 2)  # an eighth of 16
    assert torch.bincount(shift + 2).div(2000).tolist() == pytest.approx([0.2] * 5, abs=0.03)
    cut = (differentiable(("cutout",))(inside, Randomness(0, 0)) == 0).float().mean(dim=(1, 2, 3))
    assert (cut.min(), cut.max()) == (1 / 16, 1 / 4)  # half of a side, a quarter of it in a corner
    mean = differentiable(("color",))(inside * 0, Randomness(0, 0)).mean(dim=(1, 2, 3))
    assert mean.std() == pytest.approx(1 / math.sqrt(12), rel=0.05)
    assert mean.abs().max() < 0.5
