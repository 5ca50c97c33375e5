"""Inversion as a whole: own images come back, numbers are right, results are whole latents."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.errors import GanvasError, ImageError, LatentError
from ganvas.images import pixels
from ganvas.images.photos import read_photo
from ganvas.inversion.batch import BatchInversion
from ganvas.inversion.invert import invert
from ganvas.inversion.lbfgs import LBFGSOptions
from ganvas.inversion.loss_weights import LossWeights
from ganvas.inversion.metrics import psnr
from ganvas.inversion.optimizers import optimize_lbfgs
from ganvas.inversion.prepare import check_photos, finish_inversion, prepare_inversion
from ganvas.inversion.settings import InversionSettings
from ganvas.inversion.starts import nearest_start
from ganvas.inversion.tuning import TuningSettings
from ganvas.inversion.variables import LatentPoint
from ganvas.latents.files import load_latent
from ganvas.latents.latent import sample
from ganvas.regions import Region
from tests.generators.small import small_stylegan2
from tests.inversion.parts import Convolved

SHORT = InversionSettings(steps=8, weights=LossWeights(perceptual=0.1, l2=1.0))
FEATURES = Convolved()
TUNING = TuningSettings(steps=3, rank=1)


def photos(rows: int, side: int = 16) -> torch.Tensor:
    return torch.rand(rows, 3, side, side, generator=torch.Generator().manual_seed(3)) * 2 - 1


@pytest.mark.slow
def test_an_image_of_the_generator_is_inverted_to_over_30_db():
    torch.set_num_threads(1)
    generator = ganvas.load("faces")
    own = next(sample(generator, [101], truncation=0.7).images(generator))
    found = invert(generator, own, InversionSettings(optimizer="lbfgs", steps=45))
    assert found.metrics[0].psnr > 30
    assert found.metrics[0].passes == 46  # that of the result included


def test_metrics_are_those_of_the_saved_latent(tmp_path: Path):
    generator = small_stylegan2(16)
    found = invert(generator, photos(2), SHORT, features=FEATURES, names=("ann", "bob"))
    latent = load_latent(found.latent.save(tmp_path / "a.safetensors"))
    images = next(latent.images(generator))
    torch.testing.assert_close(images, found.images)
    torch.testing.assert_close(psnr(images, photos(2)), torch.tensor([one.psnr for one in found.metrics]))
    assert [one.name for one in found.metrics] == ["ann", "bob"] == list(latent.captions)
    assert latent.source == "ann, bob"
    assert len(found.history) == SHORT.steps + 1
    assert all(one.from_mean > 0 for one in found.metrics)
    assert [one.loss for one in found.metrics] == pytest.approx(found.history[-1].tolist(), rel=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        SHORT,
        replace(SHORT, optimizer="lbfgs"),
        replace(SHORT, start="random:5"),
    ],
)
@pytest.mark.parametrize("tuning", [None, TUNING, replace(TUNING, locality=0.0)])
def test_passes_count_every_synthesized_image(settings, tuning, monkeypatch: pytest.MonkeyPatch):
    generator = small_stylegan2(16)
    synthesized, synthesize = [0], type(generator).synthesize

    def counted(self, codes, *arguments, **named):
        synthesized[0] += len(codes)
        return synthesize(self, codes, *arguments, **named)

    monkeypatch.setattr(type(generator), "synthesize", counted)
    found = invert(generator, photos(1), settings, features=FEATURES, tuning=tuning)
    assert found.metrics[0].passes == synthesized[0]


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every gradient counts as none: L-BFGS ends after its first evaluation."""
    monkeypatch.setattr(
        "ganvas.inversion.prepare.optimize_lbfgs", partial(optimize_lbfgs, options=LBFGSOptions(gradient_tolerance=1e9))
    )


def test_a_search_that_converges_early_reports_its_passes(flat: None):
    work = BatchInversion(small_stylegan2(16), photos(2), "ab", replace(SHORT, optimizer="lbfgs"), features=FEATURES)
    assert work.run()
    assert work.batches[0].last.number == 1
    assert [one.passes for _, one in work.metrics()] == [2, 2]


@pytest.mark.slow
def test_the_reported_loss_is_a_function_of_the_saved_latent():
    """Tuned or not, by the inversion's weights, region and noise maps."""
    generator = small_stylegan2(16)
    settings = replace(SHORT, weights=LossWeights(l2=1.0, prior=0.5))
    mask = Region.box(0.0, 0.0, 0.5, 1.0).mask(16, 16)
    for tuning in (None, TuningSettings(steps=3, rank=1)):
        found = invert(generator, photos(1), settings, mask=mask, features=FEATURES, tuning=tuning)
        squares = (found.images - photos(1))[..., :8].square().mean()
        assert found.metrics[0].loss == pytest.approx(float(squares) + 0.5 * found.metrics[0].from_mean ** 2, rel=1e-4)


@pytest.mark.slow
def test_metrics_do_not_depend_on_pixels_outside_the_mask():
    """Images that differ outside have the numbers of those that do not."""
    generator, mask = small_stylegan2(16), Region.box(0.0, 0.0, 0.5, 1.0).mask(16, 16)
    other = photos(1)
    other[..., 8:] = -other[..., 8:]
    metrics = [invert(generator, some, SHORT, mask=mask, features=FEATURES).metrics[0] for some in (photos(1), other)]
    assert (metrics[0].psnr, metrics[0].perceptual) == (metrics[1].psnr, metrics[1].perceptual)


def test_tuning_uses_features_after_an_inversion_by_pixels():
    """An inversion by pixels alone is tuned by what its settings and its report say: the perceptual distance too."""
    generator = small_stylegan2(16)
    run = prepare_inversion(generator, photos(1), replace(SHORT, weights=LossWeights(l2=1.0)), features=FEATURES)
    *_, last = run.steps()
    told = list(run.tuning(last, TuningSettings(steps=2, rank=1)))
    assert set(told[0].terms) == {"perceptual", "l2"}
    expected = sum(
        (a - b).square().sum(1).mean() for a, b in zip(FEATURES(told[0].images), FEATURES(photos(1)), strict=True)
    )
    assert float(told[0].terms["perceptual"]) == pytest.approx(float(expected), rel=1e-4)


def test_psnr_has_the_values_of_its_formula():
    black, gray = -torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    assert psnr(black, gray).item() == pytest.approx(6.0206, abs=1e-3)  # 10 log10(4)
    assert psnr(black, black).item() == pytest.approx(120, abs=1e-3)
    assert psnr(black - 5, black).item() == pytest.approx(120, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("space", ["z", "w", "w+"])
def test_every_space_and_optimizer_lowers_the_loss_and_raises_the_psnr(space: str, optimizer: str):
    """The loss at the end is below that of the start and of the best of 20 random codes, and so is the error of the
    image that the saved latent gives.
    """
    generator = small_stylegan2(16)
    settings = replace(SHORT, space=space, optimizer=optimizer)
    found = invert(generator, photos(1), settings, features=FEATURES)
    objective = prepare_inversion(generator, photos(1), settings, features=FEATURES).objective
    best_random = nearest_start(objective, 20)
    point = LatentPoint(best_random.codes, torch.zeros_like(best_random.codes), {})
    random_image = objective.images(point)
    random_loss = objective.losses(objective.terms(point, random_image))
    assert found.latent.space == space
    assert found.history[-1] < min(found.history[0], random_loss)
    start = objective.images(
        prepare_inversion(generator, photos(1), settings, features=FEATURES).variables.at(
            torch.zeros(1, best_random.codes[0].numel())
        )
    )
    assert psnr(next(found.latent.images(generator)), photos(1)) > psnr(start, photos(1)) + 0.1


@pytest.mark.float32
def test_noise_maps_are_saved_per_sample(tmp_path: Path):
    generator = small_stylegan2(16)
    settings = replace(SHORT, noise=True, weights=LossWeights(l2=1.0, noise=1.0))
    found = invert(generator, photos(3), settings, features=FEATURES)
    latent = load_latent(found.latent.save(tmp_path / "a.safetensors"))
    assert set(latent.noise) == set(generator.own_noise())
    torch.testing.assert_close(next(latent.rows([2]).images(generator)), found.images[2:], atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_codes_do_not_depend_on_pixels_outside_the_mask():
    generator = small_stylegan2(16)
    mask = Region.box(0.0, 0.0, 0.5, 0.5).mask(16, 16)
    other = photos(1)
    other[..., 8:, 8:] = 1
    found = [invert(generator, some, SHORT, mask=mask, features=FEATURES) for some in (photos(1), other)]
    assert torch.equal(found[0].latent.codes, found[1].latent.codes)


@pytest.mark.slow
def test_tuning_raises_the_psnr_of_one_photo():
    settings = TuningSettings(steps=8, rate=0.01, rank=2)
    generator = small_stylegan2(16)
    found = invert(generator, photos(1), SHORT, features=FEATURES, tuning=settings)
    pivot = invert(generator, photos(1), SHORT, features=FEATURES)
    assert found.metrics[0].psnr > pivot.metrics[0].psnr
    assert found.latent.tuned


@pytest.mark.slow
@pytest.mark.float32
def test_inversion_in_batches_is_inversion_at_once(monkeypatch: pytest.MonkeyPatch):
    generator = small_stylegan2(16)
    whole = BatchInversion(generator, photos(3), "abc", SHORT, features=FEATURES)
    assert whole.run()
    monkeypatch.setattr("ganvas.inversion.batch.PIXELS_PER_BATCH", 256)
    saved: list[tuple[str, ...]] = []
    tuning = TuningSettings(steps=1, rank=1)
    parts = BatchInversion(
        generator,
        photos(3),
        "abc",
        SHORT,
        features=FEATURES,
        video_steps={0, 3, 8},
        tuning=tuning,
        sources=["a.png", "b.png", "c.png"],
        on_saved=lambda work: saved.append((work.latent().source, *map(str, work.tuned))),
    )
    assert parts.run()
    assert saved == [
        ("a.png",),
        ("a.png, b.png",),
        ("a.png, b.png, c.png",),
        ("a.png, b.png, c.png", "0"),
        ("a.png, b.png, c.png", "0", "1"),
        ("a.png, b.png, c.png", "0", "1", "2"),
    ]
    assert [len(moment) for moment in parts.video()] == [1, 1, 1]  # of the first part alone
    assert (len(whole.batches), len(parts.batches)) == (1, 3)
    torch.testing.assert_close(parts.latent().codes, whole.latent().codes, atol=1e-3, rtol=1e-3)
    assert list(parts.curves()) == ["a", "b", "c"]


def test_a_video_ends_with_the_last_step_of_a_search_that_converges_early(flat: None):
    settings = replace(SHORT, optimizer="lbfgs")
    work = BatchInversion(
        small_stylegan2(16), photos(8), "abcdefgh", settings, features=FEATURES, video_steps={0, SHORT.steps}
    )
    assert work.run()
    assert [len(moment) for moment in work.video()] == [6, 6]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_metrics_of_any_step_are_those_of_its_saved_latent(optimizer: str):
    """With L-BFGS the last place that was tried is not the one that is kept."""
    generator = small_stylegan2(16)
    run = prepare_inversion(generator, photos(2), replace(SHORT, optimizer=optimizer, steps=30), features=FEATURES)
    for step in run.steps():
        found = finish_inversion(run, step, 0.0)
        assert [one.loss for one in found.metrics] == pytest.approx(step.losses.tolist(), rel=1e-3, abs=1e-5)


@pytest.mark.slow
def test_an_interrupted_inversion_keeps_its_last_step():
    generator = small_stylegan2(16)

    def stop(what: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    work = BatchInversion(generator, photos(2), "ab", SHORT, features=FEATURES)
    assert not work.run(stop)
    third = list(prepare_inversion(generator, photos(2), SHORT, features=FEATURES).steps())[3]
    torch.testing.assert_close(work.batches[0].last.x, third.x, atol=1e-5, rtol=1e-4)
    assert torch.equal(work.latent().codes, work.batches[0].prepared.variables.at(work.batches[0].last.x).codes)
    assert [one.passes for _, one in work.metrics()] == [5, 5]
    assert len(work.curves()["a"]) == 4


def test_impossible_inversions_are_refused():
    generator = small_stylegan2(16)
    with pytest.raises(ImageError, match=r"give \[n, 3, 16, 16\]"):
        prepare_inversion(generator, photos(1, 8), SHORT, features=FEATURES)
    with pytest.raises(GanvasError, match="Unknown start"):
        prepare_inversion(generator, photos(1), replace(SHORT, start="median"), features=FEATURES)
    with pytest.raises(LatentError, match="give z, w or w"):
        InversionSettings(space="s")
    with pytest.raises(GanvasError, match="adam or lbfgs"):
        InversionSettings(optimizer="sgd")
    with pytest.raises(GanvasError, match="steps 0 is not possible"):
        InversionSettings(steps=0)
    with pytest.raises(GanvasError, match="ganvas or nvidia"):
        InversionSettings(schedule="other")


@pytest.mark.slow
@pytest.mark.float32
def test_photo_files_are_read_at_the_resolution_of_the_generator(tmp_path: Path):
    """A path, a list of paths and the tensors read from them give the same codes."""
    generator = small_stylegan2(16)
    files = [pixels.write_image(tmp_path / f"{name}.png", photos(1, 40)) for name in ("ann", "bob")]
    images = torch.cat([read_photo(file, 16) for file in files])
    expected = invert(generator, images, SHORT, features=FEATURES)
    found = invert(generator, files, SHORT, features=FEATURES)
    assert torch.equal(found.latent.codes, expected.latent.codes)
    assert found.latent.captions == ("ann", "bob")
    assert found.latent.source == f"{files[0]}, {files[1]}"
    alone = invert(generator, str(files[0]), SHORT, features=FEATURES)
    torch.testing.assert_close(alone.latent.codes, expected.latent.codes[:1], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("photos", [None, 3, [], [torch.zeros(1, 3, 16, 16)], "me.jpg"])
def test_anything_but_images_and_files_is_refused(photos):
    with pytest.raises(ImageError, match="Photos are a tensor"):
        check_photos(photos, small_stylegan2(16))


def test_the_repr_of_an_inversion_says_what_it_is():
    assert re.fullmatch(
        r"Inversion\(2 photos into w\+, PSNR -?\d+\.\d, -?\d+\.\d dB\)",
        repr(invert(small_stylegan2(16), photos(2), replace(SHORT, steps=1), features=FEATURES)),
    )
