"""Inversion as a whole: own pictures come back, numbers are right, results are whole latents."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.errors import GanvasError, LatentError, PictureError
from ganvas.inversion.invert import InversionSettings, invert, prepare
from ganvas.inversion.numbers import psnr
from ganvas.inversion.terms import Weights
from ganvas.inversion.tuning import Tuning
from ganvas.inversion.work import Work
from ganvas.latent_files import load_latent, sample_latent
from ganvas.region import Region
from tests.generators.small import small_stylegan2
from tests.inversion.parts import Convolved

SHORT = InversionSettings(steps=8, weights=Weights(perceptual=0.1, l2=1.0))
LOOK = Convolved()


def photos(rows: int, side: int = 16) -> torch.Tensor:
    return torch.rand(rows, 3, side, side, generator=torch.Generator().manual_seed(3)) * 2 - 1


def test_a_picture_of_the_generator_itself_comes_back_at_over_30_db():
    torch.set_num_threads(1)
    generator = ganvas.load("faces")
    own = next(sample_latent(generator, [101], truncation=0.7).pictures(generator))
    found = invert(generator, own, InversionSettings(optimizer="lbfgs", steps=45))
    assert found.cards[0].psnr > 30
    assert found.cards[0].passes <= 45


def test_the_numbers_of_a_card(tmp_path: Path):
    generator = small_stylegan2(16)
    found = invert(generator, photos(2), SHORT, look=LOOK, names=("ann", "bob"))
    latent = load_latent(found.latent.save(tmp_path / "a.safetensors"))
    pictures = next(latent.pictures(generator))
    torch.testing.assert_close(pictures, found.pictures)
    torch.testing.assert_close(psnr(pictures, photos(2)), torch.tensor([card.psnr for card in found.cards]))
    assert [card.name for card in found.cards] == ["ann", "bob"] == list(latent.captions)
    assert latent.source == "ann, bob"
    assert len(found.history) == SHORT.steps + 1
    assert all(card.from_mean > 0 and card.passes == 8 for card in found.cards)


def test_psnr_by_hand():
    black, grey = -torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    assert psnr(black, grey).item() == pytest.approx(6.0206, abs=1e-3)  # 10 log10(4)
    assert psnr(black, black).item() == pytest.approx(120, abs=1e-3)
    assert psnr(black - 5, black).item() == pytest.approx(120, abs=1e-3)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("space", ["z", "w", "w+"])
def test_every_space_and_optimizer_comes_nearer(space: str, optimizer: str):
    found = invert(small_stylegan2(16), photos(1), replace(SHORT, space=space, optimizer=optimizer), look=LOOK)
    assert found.history[-1] < found.history[0]
    assert found.latent.space == space


def test_noise_maps_come_with_the_latent_row_by_row(tmp_path: Path):
    generator = small_stylegan2(16)
    settings = replace(SHORT, noise=True, weights=Weights(l2=1.0, noise=1.0))
    found = invert(generator, photos(3), settings, look=LOOK)
    latent = load_latent(found.latent.save(tmp_path / "a.safetensors"))
    assert set(latent.noise) == set(generator.own_noise())
    torch.testing.assert_close(next(latent.rows([2]).pictures(generator)), found.pictures[2:], atol=1e-5, rtol=1e-4)


def test_a_region_alone_is_matched():
    generator = small_stylegan2(16)
    mask = Region.box(0.0, 0.0, 0.5, 0.5).mask(16, 16)
    other = photos(1)
    other[..., 8:, 8:] = 1
    found = [invert(generator, some, SHORT, mask=mask, look=LOOK) for some in (photos(1), other)]
    assert torch.equal(found[0].latent.codes, found[1].latent.codes)


def test_tuning_for_one_photo():
    settings = Tuning(steps=8, rate=0.01, rank=2)
    generator = small_stylegan2(16)
    found = invert(generator, photos(1), SHORT, look=LOOK, tuning=settings)
    pivot = invert(generator, photos(1), SHORT, look=LOOK)
    assert found.cards[0].psnr > pivot.cards[0].psnr
    assert found.latent.tuned
    assert found.cards[0].passes == pivot.cards[0].passes + 8


def test_work_in_parts_is_work_in_one(monkeypatch: pytest.MonkeyPatch):
    generator = small_stylegan2(16)
    whole = Work(generator, photos(3), "abc", SHORT, look=LOOK)
    assert whole.through()
    monkeypatch.setattr("ganvas.inversion.work.PIXELS_AT_ONCE", 256)
    parts = Work(generator, photos(3), "abc", SHORT, look=LOOK)
    assert parts.through()
    assert (len(whole.parts), len(parts.parts)) == (1, 3)
    torch.testing.assert_close(parts.latent().codes, whole.latent().codes, atol=1e-3, rtol=1e-3)
    assert list(parts.curves()) == ["a", "b", "c"]


def test_work_that_is_broken_off_keeps_what_there_is():
    generator = small_stylegan2(16)

    def stop(what: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    work = Work(generator, photos(2), "ab", SHORT, look=LOOK)
    assert not work.through(stop)
    assert len(work.latent()) == 2
    assert len(work.cards()) == 2
    assert len(work.curves()["a"]) == 4


def test_what_cannot_be():
    generator = small_stylegan2(16)
    with pytest.raises(PictureError, match=r"give \[n, 3, 16, 16\]"):
        prepare(generator, photos(1, 8), SHORT, look=LOOK)
    with pytest.raises(GanvasError, match="no start"):
        prepare(generator, photos(1), replace(SHORT, start="median"), look=LOOK)
    with pytest.raises(LatentError, match="give z, w or w"):
        InversionSettings(space="s")
    with pytest.raises(GanvasError, match="adam or lbfgs"):
        InversionSettings(optimizer="sgd")
    with pytest.raises(GanvasError, match="0 steps"):
        InversionSettings(steps=0)
    with pytest.raises(GanvasError, match="ganvas or nvidia"):
        InversionSettings(schedule="other")
