"""Re-timing: steps of curves whose lengths are known, and images of a generator."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.edits.interpolate import ease, frame_positions, path_through
from ganvas.edits.retime import Timing, inverted, meeting, retimed, stds_along_path, step_lengths, time_path
from ganvas.latents.latent import Latent, sample
from ganvas.latents.spaces import statistics
from ganvas.metrics.features import Architecture, FeatureNetwork
from ganvas.metrics.perceptual import perceptual_distance
from tests.fakes import LayeredGenerator, LinearGenerator


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    torch.manual_seed(0)
    return FeatureNetwork(Architecture(16, (4, 6), 8)).eval().requires_grad_(False)


def chords(curve):
    """Return what measures the steps of a curve in the plane."""
    return lambda positions: np.linalg.norm(np.diff(curve(positions), axis=0), axis=1)


def corner(t: np.ndarray) -> np.ndarray:
    """Slow, then a jump, then slow."""
    along = t + 3 / (1 + np.exp(-60 * (t - 0.4)))
    return np.stack([along, np.sin(3 * along)], axis=1)


@pytest.mark.parametrize("curve", [corner, lambda t: np.stack([t**3, 0 * t], 1), lambda t: np.stack([t, t**8], 1)])
@pytest.mark.parametrize("frames", [5, 24, 96])
def test_steps_become_even(curve, frames):
    shares = frame_positions(frames)
    positions, steps = retimed(chords(curve), shares)
    assert (positions[0], positions[-1]) == (0, 1)
    assert (np.diff(positions) > 0).all()
    assert steps == pytest.approx(chords(curve)(positions))
    before = chords(curve)(shares)
    assert steps.max() / steps.mean() <= min(1.15, before.max() / before.mean()) + 1e-9


def test_steps_follow_an_easing():
    shares = ease(frame_positions(49))
    positions, _ = retimed(chords(lambda t: np.stack([t**2, 0 * t], 1)), shares)
    assert positions**2 == pytest.approx(shares, abs=2e-3)


@settings(max_examples=40)
@given(st.lists(st.floats(0, 10), min_size=2, max_size=30))
def test_inverting_is_monotone_whatever_the_steps(steps):
    lengths = np.array(steps)
    positions = np.linspace(0, 1, len(lengths) + 1)
    found = inverted(positions, lengths, np.linspace(0, 1, 50))
    assert (np.diff(found) >= -1e-12).all()
    assert (found[0], found[-1]) == pytest.approx((0, 1))
    if lengths.min() > 0.1:
        reached = np.concatenate([[0], np.cumsum(lengths)]) / lengths.sum()
        assert inverted(positions, lengths, reached) == pytest.approx(positions)


def test_frames_meet_the_keys_and_no_step_cuts_a_corner():
    def zigzag(t: np.ndarray) -> np.ndarray:
        return np.stack(
            [np.interp(t, [0, 0.25, 0.5, 1], [0, 2, 2, 3]), np.interp(t, [0, 0.25, 0.5, 1], [0, 0, 1, 1])], 1
        )

    keys = np.array([0.25, 0.5])
    positions, steps = retimed(chords(zigzag), frame_positions(31), keys)
    assert np.abs(positions[:, None] - keys).min(0) == pytest.approx(0, abs=1e-9)
    assert steps.sum() == pytest.approx(4)
    assert steps.min() / steps.mean() > 0.9
    without, _ = retimed(chords(zigzag), frame_positions(32))
    assert chords(zigzag)(without).sum() < 4


@given(st.integers(3, 40), st.lists(st.floats(0.01, 0.99), max_size=4, unique=True))
def test_shares_that_meet_stops_still_rise(count, stops):
    shares, ordered = frame_positions(count), np.array(sorted(stops))
    moved = meeting(shares, ordered)
    assert (np.diff(moved) > 0).all()
    assert (moved[0], moved[-1]) == (0, 1)
    if count > 2 / np.diff([0, *ordered, 1]).min():
        assert all(np.abs(moved - stop).min() < 1e-12 for stop in stops)


def test_a_path_that_stands_still_keeps_its_frames():
    positions, steps = retimed(lambda positions: np.zeros(len(positions) - 1), frame_positions(7))
    assert positions == pytest.approx(frame_positions(7), abs=1e-6)
    assert Timing(positions, steps, np.ones(7), frame_positions(7), steps).unevenness == 1


def test_step_lengths_are_those_of_neighboring_images(network):
    generator = LayeredGenerator(resolution=16)
    path = path_through(generator, [sample(generator, [0, 1, 2])])
    positions = frame_positions(37)  # more than are looked at together
    images = torch.cat(list(path.at(positions).images(generator)))
    expected = perceptual_distance(network, images[1:], images[:-1]).sqrt()
    assert step_lengths(network, generator, path, positions) == pytest.approx(expected.numpy(), abs=1e-4)


@pytest.mark.slow
def test_timing_a_path_of_images(network):
    generator = LayeredGenerator(resolution=16)
    path = path_through(generator, [sample(generator, [0, 1, 2])], loop=True)
    shares, said = frame_positions(24, closed=True), []
    before = time_path(network, generator, path, shares)
    after = time_path(network, generator, path, shares, evenly=True, progress=lambda *step: said.append(step))
    assert len(before.steps) == len(after.steps) == 24
    assert after.unevenness < 1.15 < before.unevenness
    assert said[-1][1] == said[-1][2]
    assert set(after.summary()) >= {"steps", "positions", "unevenness", "length", "distance_to_mean"}


def test_distances_to_the_mean_along_a_path():
    generator = LayeredGenerator()
    mean = statistics(generator, "w+").mean
    codes = torch.stack([mean - 3, mean + 3])
    path = path_through(generator, [Latent(codes, "w")])
    distances = stds_along_path(generator, path, frame_positions(3))
    assert distances[1] == pytest.approx(0, abs=1e-5)
    assert distances[0] == pytest.approx(distances[2])
    assert distances[0] == pytest.approx(1.5, rel=0.05)  # w = 2 z + average


def test_a_line_in_z_dips_towards_the_mean_and_a_circle_does_not():
    generator = LinearGenerator(width=200)
    latent = sample(generator, [0, 1])
    line, circle = (
        stds_along_path(generator, path_through(generator, [latent], mode=mode), frame_positions(3))
        for mode in ("linear", "spherical")
    )
    assert line[1] == pytest.approx(np.sqrt(0.5), abs=0.1)
    assert circle[1] == pytest.approx(1, abs=0.1)
