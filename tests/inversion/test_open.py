"""``open_latent``: latent files, foreign files and photos, which are inverted once and kept."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from ganvas.errors import ImageError, LatentError, ResultFileError
from ganvas.generators.protocol import About, Generator
from ganvas.images import pixels
from ganvas.inversion.batch import BatchInversion
from ganvas.inversion.encoder import Encoder, EncoderArchitecture
from ganvas.inversion.invert import invert
from ganvas.inversion.metrics import psnr
from ganvas.inversion.open import PhotoWarning, fingerprint, open_latent, open_photo
from ganvas.inversion.photos import PhotoSettings, align_photo
from ganvas.inversion.settings import InversionSettings
from ganvas.inversion.tuning import TuningSettings
from ganvas.io.cache import home
from ganvas.latents.latent import sample
from tests.generators.small import small_stylegan2

STEPS, TUNING = 3, 2


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Few steps, a cache of its own, and no detector is fitted: every photo is in the distribution."""
    monkeypatch.setattr("ganvas.inversion.open.STEPS", STEPS)
    monkeypatch.setattr("ganvas.inversion.open.TUNING_STEPS", TUNING)
    monkeypatch.setattr("ganvas.inversion.photos.check_photos_ood", lambda *_, **__: [""])
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    image = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return pixels.write_image(tmp_path / "me.png", image)


AS_IS = PhotoSettings(as_is=True)


def generator(label_dim: int = 0) -> Generator:
    made = small_stylegan2(16, label_dim=label_dim)
    made.about = About("small", "abc")
    return made


def test_a_latent_file_is_opened_as_it_was_saved(tmp_path: Path):
    saved = sample(generator(), [3, 5], truncation=0.7)
    found = open_latent(saved.save(tmp_path / "a.safetensors"), generator())
    assert torch.equal(found.codes, saved.codes)
    assert (found.space, found.seeds, found.truncation) == (saved.space, (3, 5), 0.7)


def test_foreign_codes_are_opened_with_the_label_that_is_given(tmp_path: Path):
    codes = sample(generator(3), [1], label=2, space="w+").codes
    np.save(tmp_path / "codes.npy", codes.numpy())
    found = open_latent(tmp_path / "codes.npy", generator(3), label=2)
    assert torch.equal(found.codes, codes)
    assert (found.space, found.label) == ("w+", 2)


@pytest.mark.slow
def test_a_photo_is_inverted_with_the_default_settings(photo: Path):
    image = align_photo(photo, generator()).image
    expected = invert(generator(), image, InversionSettings(steps=STEPS), tuning=TuningSettings(steps=TUNING))
    opened = open_photo(photo, generator())
    torch.testing.assert_close(opened.latent.codes, expected.latent.codes, atol=1e-4, rtol=1e-3)
    assert (opened.latent.space, opened.latent.source, opened.latent.captions) == ("w+", str(photo), ("me",))
    shown = next(opened.latent.images(generator()))
    assert opened.psnr == pytest.approx(float(psnr(shown, image)), abs=0.01)
    assert opened.latent.tuned
    assert torch.equal(opened.photo.image, image)


def test_without_tuning_the_weights_stay(photo: Path):
    assert not open_photo(photo, generator(), settings=AS_IS, tune=False).latent.tuned


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every photo is out of distribution."""
    monkeypatch.setattr("ganvas.inversion.photos.check_photos_ood", lambda *_, **__: ["far"])


@pytest.mark.slow
@pytest.mark.usefixtures("far")
def test_an_out_of_distribution_photo_of_which_nobody_chose_a_part_is_refused(photo: Path):
    """Its inversion would be a smeared face; the message says what helps."""
    with pytest.raises(ImageError, match="far It was taken as it is: give a part of the photo with --crop"):
        open_photo(photo, generator())
    assert not (home() / "inversions").exists()
    box = PhotoSettings(box=(0.0, 0.0, 0.5, 1.0))
    assert open_photo(photo, generator(), settings=box).warnings == ("far",)


@pytest.mark.slow
@pytest.mark.usefixtures("far")
def test_a_photo_is_inverted_once_and_warned_of_every_time(photo: Path, monkeypatch: pytest.MonkeyPatch):
    steps = []
    with pytest.warns(PhotoWarning, match="far"):
        first = open_latent(
            photo,
            generator(),
            settings=AS_IS,
            progress=lambda what, done, total: steps.append((what, done, total)),
        )
    assert {what for what, _, _ in steps} == {"Inverting and tuning"}
    assert len({total for _, _, total in steps}) == 1
    done = [number for _, number, _ in steps]
    assert (done, done[0], done[-1]) == (sorted(done), 0, steps[0][2])
    assert len(done) == STEPS + 1 + TUNING + 1
    monkeypatch.setattr(BatchInversion, "run", lambda *_: pytest.fail("inverted again"))
    moved = photo.rename(photo.with_name("moved.png"))
    with pytest.warns(PhotoWarning, match="far"):
        again = open_latent(moved, generator(), settings=AS_IS)
    assert torch.equal(again.codes, first.codes)
    assert (again.source, again.captions) == (str(moved), ("moved",))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_damaged_cache_is_made_again(photo: Path, suffix: str):
    codes = open_photo(photo, generator()).latent.codes.clone()
    (kept,) = (home() / "inversions").glob(f"*{suffix}")
    whole = kept.read_bytes()
    kept.unlink()  # not in place: tensors are maps of the file
    kept.write_bytes(whole[:9])
    assert torch.equal(open_photo(photo, generator()).latent.codes, codes)
    assert kept.read_bytes() == whole


@pytest.mark.slow
def test_the_cache_tells_spaces_labels_and_encoders_apart(photo: Path):
    opened = [open_photo(photo, generator(), space=space).latent.space for space in (None, "w+", "w", "z")]
    assert opened == ["w+", "w+", "w", "z"]
    labels = [open_photo(photo, generator(3), label=label).latent.label for label in (0, 1)]
    assert labels == [0, 1]
    assert len(list((home() / "inversions").glob("*.safetensors"))) == 5
    keys, image, made = set(), torch.zeros(1, 3, 16, 16), generator()
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        encoder = Encoder(EncoderArchitecture(16, *made.dimensions("w+"), (4, 6, 8)))
        keys.add(fingerprint(made, image, InversionSettings("w+", start=encoder)))
    assert len(keys) == 2


def test_an_interrupt_keeps_nothing(photo: Path):
    def stop(what: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_photo(photo, generator(), progress=stop)
    assert not (home() / "inversions").exists()


def test_wrong_files_spaces_and_labels_are_refused(photo: Path, tmp_path: Path):
    (tmp_path / "bad.png").write_text("no image")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match=r"bad\.png"):
            open_latent(tmp_path / "bad.png", generator())
        with pytest.raises(ResultFileError, match=r"none\.safetensors"):
            open_latent(tmp_path / "none.safetensors", generator())
        with pytest.raises(LatentError, match="no space 's' for photos"):
            open_latent(photo, generator(), space="s")
        with pytest.raises(LatentError, match="one class"):
            open_latent(photo, generator(3), label=(0, 1))
        with pytest.raises(LatentError, match="needs a label"):
            open_latent(photo, generator(3))
    assert not (home() / "inversions").exists()
