"""Areas by mathematics: shoelace, refinement, translation, a slow twin, and the circle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.regions import coverage

SIZES = [(1, 1), (7, 13), (64, 64), (90, 33)]
ARROW = np.array([[0.1, 0.1], [0.9, 0.2], [0.5, 0.5], [0.8, 0.9], [0.2, 0.7]])
STAR = np.array([[0.5 + 0.45 * np.sin(k * 4 * np.pi / 5), 0.5 - 0.45 * np.cos(k * 4 * np.pi / 5)] for k in range(5)])
fraction = st.floats(0, 1, allow_subnormal=False)


def shoelace(points: np.ndarray) -> float:
    x, y = points.T
    return abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2


def halved(mask: np.ndarray) -> np.ndarray:
    height, width = mask.shape
    return mask.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))


def comb(teeth: int) -> np.ndarray:
    """Draw a polygon that is far from convex: thin teeth that hang from a bar, in clockwise order."""
    x = np.linspace(0.05, 0.95, 2 * teeth + 1)
    low = np.where(np.arange(2 * teeth + 1) % 2, 0.93, 0.21)
    return np.concatenate([[[0.05, 0.1], [0.95, 0.1]], np.stack([x, low], axis=1)[::-1]])


def random_star_shape(seed: int, corners: int = 40) -> np.ndarray:
    """Draw a polygon that never crosses itself: random radii at rising angles."""
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = rng.uniform(0.05, 0.5, corners)[:, None]
    return 0.5 + radii * np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("points", [ARROW, ARROW[::-1], comb(9), random_star_shape(3)])
def test_mean_coverage_is_the_shoelace_area(points: np.ndarray, height: int, width: int) -> None:
    mask = coverage.polygon_coverage(points, height, width)
    assert mask.mean() == pytest.approx(shoelace(points), rel=1e-9)
    assert mask.min() >= 0
    assert mask.max() <= 1


@pytest.mark.parametrize("points", [ARROW, STAR, comb(5), random_star_shape(4)])
def test_averaging_blocks_gives_the_mask_at_half_the_size(points: np.ndarray) -> None:
    fine = coverage.polygon_coverage(points, 46, 34)
    np.testing.assert_allclose(halved(fine), coverage.polygon_coverage(points, 23, 17), atol=1e-12)


@settings(max_examples=50)
@given(st.tuples(fraction, fraction), st.tuples(fraction, fraction), st.integers(1, 20), st.integers(1, 20))
def test_box_is_its_polygon_and_refines(xs: tuple, ys: tuple, height: int, width: int) -> None:
    (left, right), (top, bottom) = sorted(xs), sorted(ys)
    box = coverage.box_coverage(left, top, right, bottom, height, width)
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    np.testing.assert_allclose(box, coverage.polygon_coverage(corners, height, width), atol=2e-12)
    fine = coverage.box_coverage(left, top, right, bottom, 2 * height, 2 * width)
    np.testing.assert_allclose(halved(fine), box, atol=2e-12)
    assert box.mean() == pytest.approx((right - left) * (bottom - top), abs=2e-12)


@settings(max_examples=40)
@given(st.lists(st.tuples(fraction, fraction), min_size=3, max_size=8), st.integers(1, 12), st.integers(1, 12))
def test_any_scribble_refines_and_has_no_sense_or_start(points: list, height: int, width: int) -> None:
    scribble = np.array(points)
    mask = coverage.polygon_coverage(scribble, height, width)
    assert mask.min() >= 0
    assert mask.max() <= 1
    fine = coverage.polygon_coverage(scribble, 2 * height, 2 * width)
    np.testing.assert_allclose(halved(fine), mask, atol=1e-9)
    turned = np.roll(scribble[::-1], 1, axis=0)
    np.testing.assert_allclose(coverage.polygon_coverage(turned, height, width), mask, atol=1e-9)


def test_whole_pixels_of_translation_move_the_mask() -> None:
    points = ARROW * [0.5, 0.5]
    mask = coverage.polygon_coverage(points, 20, 40)
    moved = coverage.polygon_coverage(points + np.array([7 / 40, 3 / 20]), 20, 40)
    np.testing.assert_allclose(moved, np.roll(mask, (3, 7), axis=(0, 1)), atol=1e-12)


def test_transposing_the_points_transposes_the_mask() -> None:
    mask = coverage.polygon_coverage(STAR, 12, 19)
    np.testing.assert_allclose(coverage.polygon_coverage(STAR[:, ::-1], 19, 12), mask.T, atol=1e-12)


def winding_numbers(points: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Count the turns of the outline around each point by adding up angles: slow, and nothing like the tested way."""
    turns = np.zeros_like(x)
    for start, stop in zip(points, np.roll(points, -1, axis=0), strict=True):
        before, after = np.arctan2(start[1] - y, start[0] - x), np.arctan2(stop[1] - y, stop[0] - x)
        turns += (after - before + np.pi) % (2 * np.pi) - np.pi
    return np.round(turns / (2 * np.pi))


@pytest.mark.parametrize("points", [ARROW[:3], STAR, random_star_shape(5), np.random.default_rng(6).random((12, 2))])
def test_agrees_with_brute_force_sampling_under_the_nonzero_rule(points: np.ndarray) -> None:
    samples = 48
    height, width = 6, 5
    x, y = np.meshgrid(*((np.arange(count * samples) + 0.5) / (count * samples) for count in (width, height)))
    inside = winding_numbers(points, x, y) != 0
    sampled = inside.reshape(height, samples, width, samples).mean(axis=(1, 3))
    # One line through a pixel misjudges about one sample of each of its `samples` rows.
    np.testing.assert_allclose(coverage.polygon_coverage(points, height, width), sampled, atol=3 / samples)


def test_a_line_drawn_twice_covers_once() -> None:
    np.testing.assert_allclose(
        coverage.polygon_coverage(np.concatenate([ARROW, ARROW]), 9, 9), coverage.polygon_coverage(ARROW, 9, 9)
    )


def test_a_figure_of_eight_covers_both_loops() -> None:
    eight = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert coverage.polygon_coverage(eight, 8, 8).mean() == pytest.approx(0.5, abs=1e-12)


def test_an_outline_that_crosses_itself_without_end_is_refused() -> None:
    with pytest.raises(OverflowError, match="crosses itself"):
        coverage.polygon_coverage(np.random.default_rng(0).random((1000, 2)), 4, 4)


def test_brush_stroke_has_the_area_of_a_capsule() -> None:
    stroke = coverage.brush_coverage(np.array([[0.2, 0.45], [0.7, 0.55]]), 0.1, 64, 64)
    length = np.hypot(0.5, 0.1)
    assert stroke.mean() == pytest.approx(0.2 * length + np.pi * 0.01, rel=1e-3)
    assert stroke.max() == 1


def test_brush_dot_is_round_in_pixels_and_counts_the_smaller_side() -> None:
    dot = coverage.brush_coverage(np.array([[0.5, 0.5]]), 0.25, 40, 80)
    assert dot.sum() == pytest.approx(np.pi * 10**2, rel=1e-9)
    np.testing.assert_allclose(dot, dot[::-1, ::-1], atol=1e-12)
    np.testing.assert_allclose(dot[:, 20:60], dot[:, 20:60].T, atol=1e-12)


def test_brush_paints_nothing_beyond_the_image() -> None:
    corner = coverage.brush_coverage(np.array([[0.0, 0.0]]), 0.5, 32, 32)
    assert corner.mean() == pytest.approx(np.pi * 0.25 / 4, rel=1e-9)
    assert coverage.brush_coverage(np.array([[1.0, 1.0]]), 0.5, 32, 32)[::-1, ::-1] == pytest.approx(corner)


def test_brush_stroke_of_many_points_is_the_stroke_of_few() -> None:
    ends = np.array([[0.2, 0.3], [0.8, 0.6]])
    many = ends[0] + np.linspace(0, 1, 200)[:, None] * (ends[1] - ends[0])
    few = coverage.brush_coverage(ends, 0.1, 32, 32)
    assert np.abs(coverage.brush_coverage(many, 0.1, 32, 32) - few).max() < 0.02


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 30), st.integers(1, 30))
def test_resizing_by_area_keeps_mean_and_range(h: int, w: int, height: int, width: int) -> None:
    values = np.random.default_rng(h * w).random((h, w))
    resized = coverage.resize_by_area(values, height, width)
    assert resized.mean() == pytest.approx(values.mean(), rel=1e-12)
    assert resized.min() >= values.min() - 1e-12
    assert resized.max() <= values.max() + 1e-12
    assert coverage.resize_by_area(np.ones((h, w)), height, width) == pytest.approx(1.0)


def test_resizing_by_area_averages_blocks_and_repeats_pixels() -> None:
    values = np.random.default_rng(0).random((12, 10))
    np.testing.assert_allclose(coverage.resize_by_area(values, 6, 5), halved(values), atol=1e-14)
    np.testing.assert_allclose(coverage.resize_by_area(values, 36, 20), np.kron(values, np.ones((3, 2))), atol=1e-14)
    np.testing.assert_array_equal(coverage.resize_by_area(values, 12, 10), values)


@pytest.mark.parametrize("std", [1e-3, 0.2, 1.5, 20.0])
def test_blur_keeps_sum_range_and_constants(std: float) -> None:
    values = np.random.default_rng(1).random((15, 22))
    blurred = coverage.blur(values, std)
    assert blurred.sum() == pytest.approx(values.sum(), rel=1e-12)
    assert blurred.min() >= values.min()
    assert blurred.max() <= values.max()
    np.testing.assert_allclose(coverage.blur(np.full((9, 7), 0.3), std), 0.3)


def test_blurring_twice_adds_variances() -> None:
    dot = np.zeros((41, 41))
    dot[20, 20] = 1
    profile = coverage.blur(dot, 3.0).sum(axis=0)
    variance = (profile * (np.arange(41) - 20.0) ** 2).sum()
    assert variance == pytest.approx(9 + 1 / 6, rel=0.01)  # the two pixel squares add 1/12 each


def test_farther_than_cuts_pixels_in_parts() -> None:
    inside = np.zeros((1, 8), dtype=bool)
    inside[0, 0] = True
    assert coverage.farther_than(inside, 2.25).tolist() == [[0, 0, 0, 0.75, 1, 1, 1, 1]]
