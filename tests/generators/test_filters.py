"""Filters against scipy's and against those in published files; resampling against its definition."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.checkpoints.safe_pickle.modules import module_tensors
from ganvas.checkpoints.safe_pickle.pickles import read_pickle
from ganvas.generators.stylegan3 import filters
from ganvas.generators.stylegan3.architecture import StyleGAN3Architecture
from ganvas.generators.stylegan3.filters import Resampler, filtered_leaky, lowpass, push_filtered_leaky
from ganvas.generators.stylegan3.synthesis import design

pytestmark = pytest.mark.usefixtures("one_thread")


def windowed_sinc(taps: int, cutoff: float, width: float, rate: float) -> np.ndarray:
    """The paper's filter (appendix C, Eq. 5), with the shape of its window by Kaiser's own formula (1974)."""
    attenuation = 2.285 * (taps - 1) * math.pi * width / (rate / 2) + 7.95  # dB
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    else:
        beyond = max(attenuation - 21, 0)
        beta = 0.5842 * beyond**0.4 + 0.07886 * beyond
    offsets = (np.arange(taps) - (taps - 1) / 2) / rate
    values = np.sinc(2 * cutoff * offsets) * np.kaiser(taps, beta)
    return values / values.sum()


@settings(max_examples=50)
@given(st.integers(2, 40), st.floats(0.05, 0.9), st.floats(0.02, 0.9), st.floats(4.0, 2000.0))
def test_lowpass_is_the_sinc_under_a_kaiser_window(taps: int, cutoff: float, width: float, rate: float) -> None:
    cutoff, width = cutoff * rate / 2, width * rate / 2
    expected = windowed_sinc(taps, cutoff, width, rate)
    np.testing.assert_allclose(lowpass(taps, cutoff, width, rate), expected, atol=1e-12)


def test_radial_filter_is_the_transform_of_a_disc() -> None:
    """Under a window that is flat, the samples are those of the Fourier integral of a disc of radius `cutoff`."""
    taps, cutoff, rate = 4, 3.0, 64.0
    found = lowpass(taps, cutoff, 1e-9, rate, radial=True)
    radii, step = np.linspace(0, cutoff, 4001, retstep=True)
    angles = np.linspace(0, 2 * math.pi, 400, endpoint=False)
    offsets = (np.arange(taps) - 1.5) / rate
    across = radii[:, None] * np.cos(angles) * 2 * math.pi
    expected = np.empty((taps, taps))
    for i in range(taps):
        for j in range(taps):
            phase = across * math.hypot(offsets[i], offsets[j])
            expected[i, j] = (np.cos(phase).mean(axis=1) * radii).sum() * step
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-3)


def test_filters_are_symmetric_and_pass_constants() -> None:
    for radial in (False, True):
        taps = lowpass(12, 8.0, 6.0, 64.0, radial)
        assert taps.sum() == pytest.approx(1)
        np.testing.assert_allclose(taps, np.flip(taps), atol=1e-15)
    np.testing.assert_allclose(taps, taps.T, atol=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["t", "r"])
def test_designs_equal_the_filters_of_published_files(shared: Path, kind: str) -> None:
    tree = read_pickle(shared / "conformance" / f"stylegan3-{kind}.pkl")
    assert isinstance(tree, dict)
    theirs = module_tensors(tree["G_ema"])
    radial, kernel = kind == "r", 1 if kind == "r" else 3
    architecture = StyleGAN3Architecture(64, (32,) * 10 + (25, 20, 16, 16), kernel, radial, 64, 64, (64, 64))
    for i, shape in enumerate(architecture.shapes[:-1]):
        stem = f"synthesis.L{i}_{shape.size_out}_{shape.channels_out}"
        for name, ours in zip(("up_filter", "down_filter"), design(shape), strict=True):
            torch.testing.assert_close(ours, theirs[f"{stem}.{name}"], rtol=0, atol=1e-7)


def make_resampler(factor: int, size_in: int, size_out: int, radial: bool = False) -> Resampler:
    up = lowpass(6 * factor, 8.0, 6.0, 32.0 * factor)
    down = lowpass(12, 8.0, 6.0, 64.0, radial)
    return Resampler(torch.from_numpy(up), torch.from_numpy(down), factor, size_in, size_out)


def by_definition(x: torch.Tensor, resampler: Resampler, clamp: float) -> torch.Tensor:
    """Insert zeros, filter in two dimensions, activate, filter, keep every second sample: the paper's words."""
    rows, channels, size, _ = x.shape
    factor, length = resampler.factor, resampler.up_taps.shape[0]
    stuffed = x.new_zeros(rows, channels, size, factor, size, factor)
    stuffed[:, :, :, 0, :, 0] = x
    stuffed = F.pad(stuffed.reshape(rows, channels, size * factor, size * factor), (length,) * 4)
    full = F.conv2d(stuffed, _kernel(resampler.up_taps, channels) * factor**2, groups=channels)
    fine = resampler.fine
    # Both grids have the same center: that of the stuffed one lies half a factor before its middle.
    start = round((full.shape[-1] - (factor - 1) - fine) / 2)
    full = full[:, :, start : start + fine, start : start + fine]
    active = (F.leaky_relu(full, 0.2) * 2**0.5).clamp(-clamp, clamp)
    return F.conv2d(active, _kernel(resampler.down_taps, channels), groups=channels)[:, :, ::2, ::2]


def _kernel(taps: torch.Tensor, channels: int) -> torch.Tensor:
    square = taps if taps.ndim == 2 else torch.outer(taps, taps)
    return square.flip([0, 1]).expand(channels, 1, *square.shape)


CASES = [(2, 38, 36, False), (4, 38, 52, True), (2, 30, 16, False), (2, 36, 36, True)]


@pytest.mark.parametrize(("factor", "size_in", "size_out", "radial"), CASES)
@pytest.mark.parametrize("tile", [2**9, 2**13, 2**30])
def test_tiles_make_what_the_definition_says(
    monkeypatch: pytest.MonkeyPatch, factor: int, size_in: int, size_out: int, radial: bool, tile: int
) -> None:
    monkeypatch.setattr(filters, "TILE", tile)
    monkeypatch.setattr(filters, "FEWEST_CHANNELS", 2)
    monkeypatch.setattr(filters, "FEWEST_ROWS", 4)
    resampler = make_resampler(factor, size_in, size_out, radial)
    x = torch.randn(1, 5, size_in, size_in, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(filtered_leaky(x, resampler, 1.5), by_definition(x, resampler, 1.5))


@pytest.mark.parametrize(("factor", "size_in", "size_out", "radial"), CASES)
@pytest.mark.parametrize("clamp", [None, 1.5])
def test_push_filtered_leaky_is_the_derivative(
    monkeypatch: pytest.MonkeyPatch, factor: int, size_in: int, size_out: int, radial: bool, clamp: float | None
) -> None:
    monkeypatch.setattr(filters, "TILE", 2**12)
    monkeypatch.setattr(filters, "FEWEST_CHANNELS", 1)
    resampler = make_resampler(factor, size_in, size_out, radial)
    random = torch.Generator().manual_seed(1)
    x = torch.randn(1, 2, size_in, size_in, dtype=torch.float64, generator=random)
    tangents = torch.randn(3, 2, size_in, size_in, dtype=torch.float64, generator=random)
    found = push_filtered_leaky(x, tangents, resampler, clamp)
    for tangent, pushed in zip(tangents, found, strict=True):
        _, expected = torch.func.jvp(lambda v: filtered_leaky(v, resampler, clamp), (x,), (tangent[None],))
        torch.testing.assert_close(pushed, expected[0])


def test_a_wave_below_the_cutoff_passes_and_one_above_does_not() -> None:
    """With nothing nonlinear, for an offset keeps it positive, a slow wave is left alone and a fast one removed."""
    resampler = make_resampler(2, 68, 64)
    position = (torch.arange(68, dtype=torch.float64) + 0.5 - 34) / 32
    inside = slice(12, -12)
    for frequency, gain in ((2.0, 1.0), (15.0, 0.0)):
        wave = (2 * math.pi * frequency * position).sin().expand(1, 1, 68, 68)
        found = filtered_leaky(wave + 5, resampler, None) / 2**0.5 - 5
        error = (found - gain * wave[..., 2:-2, 2:-2])[..., inside, inside].abs().max()
        assert error < 0.02
