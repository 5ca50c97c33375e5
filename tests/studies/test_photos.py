"""The study of photos: what it measures, that it goes on where it stopped, and what it refuses."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from studies.command import run
from studies.photos import command, tuned
from studies.photos.report import GENERATED, INVERTED, TUNED, geometric, kept_ratio
from studies.photos.settings import Settings, short
from studies.photos.survival import Survived, edited, find_edits, generated, survived

from ganvas.checkpoints.own_format import save_generator
from ganvas.comparisons.reconstruction import paired_difference
from ganvas.errors import GanvasError, RegionError
from ganvas.generators.protocol import About
from ganvas.generators.weight_differences import with_differences
from ganvas.metrics.features import load_features
from ganvas.metrics.locality import rms_change
from ganvas.regions import Region
from tests.generators.small import small_stylegan2
from tests.training.tiny import write_images

TINY = Settings(2, 2, 2, 2, ("middle",), (0, 1), inside=0.05)


@pytest.fixture
def generator():
    torch.set_num_threads(1)
    made = small_stylegan2(16)
    made.about = About("small", "0" * 64, {}, {"middle": Region.box(0.3, 0.3, 0.7, 0.7)})
    return made


def test_edits_change_the_region_by_what_was_asked(generator):
    (edit,) = find_edits(generator, TINY)
    codes = generator.map(generator.sample(TINY.found_on), "w+", truncation=TINY.truncation)
    before = generator.synthesize(codes, "w+")
    after = generator.synthesize(codes + edit.strength * edit.direction.vector, "w+")
    assert float(rms_change(after, before, edit.mask).mean()) == pytest.approx(0.05, rel=0.02)
    with pytest.raises(RegionError, match="no region nose; there is middle"):
        find_edits(generator, replace(TINY, regions=("nose",)))


def test_what_survives_is_what_changed(generator):
    (edit,) = find_edits(generator, TINY)
    images = edited(generator, generated(generator, TINY), edit)
    assert images.shape == (2, 3, 3, 16, 16)
    done = survived(load_features(), [images], edit)
    inside, outside = [], []
    for back, before, forth in images:
        for after in (back, forth):
            squares = (after - before).square().mean(0)[None]
            inside.append(float((squares * edit.mask).sum() / edit.mask.sum()))
            outside.append(float((squares * (1 - edit.mask)).sum() / (1 - edit.mask).sum()))
    assert done.inside == pytest.approx([(inside[0] + inside[1]) / 2, (inside[2] + inside[3]) / 2], rel=1e-4)
    assert done.outside == pytest.approx([(outside[0] + outside[1]) / 2, (outside[2] + outside[3]) / 2], rel=1e-4)
    still = survived(load_features(), [images[:, 1:2].expand(-1, 3, -1, -1, -1)], edit)
    assert still.inside == (0, 0)
    assert still.alike == pytest.approx((1, 1), abs=1e-5)


def test_estimates_lie_in_their_intervals():
    assert geometric([1.0, 4.0]).value == pytest.approx(2.0)
    assert paired_difference([3.0, 5.0], [1.0, 4.0]).value == pytest.approx(1.5)
    before, after = Survived((4.0, 8.0), (1.0, 1.0), (1.0, 1.0)), Survived((2.0, 4.0), (1.0, 1.0), (1.0, 1.0))
    share = kept_ratio({INVERTED: before, TUNED: after})
    assert (share.value, share.low, share.high) == pytest.approx((0.5, 0.5, 0.5))
    assert math.isclose(before.ratios[1], 8)


@pytest.mark.slow
def test_study_writes_its_files_and_resumes(generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = save_generator(tmp_path / "small.safetensors", generator, generator.about)
    photos = write_images(tmp_path / "photos", 3, (16, 16))
    paths = command.write(str(model), photos, tmp_path / "out", TINY)
    assert [path.name for path in paths] == ["photos.md", "photos.json", "photos.jpg", "generated.jpg"]
    told = json.loads(paths[1].read_text())
    assert set(told["photos"]) == {"z", "w", "w+", "tuned"}
    assert set(told["edits"]["middle"]) == {GENERATED, INVERTED, TUNED}
    assert all(len(values) == 2 for way in told["photos"].values() for values in way.values())
    before = paths[0].read_text()
    monkeypatch.setattr(tuned, "_tune", lambda *_: pytest.fail("it was tuned before"))
    assert command.write(str(model), photos, tmp_path / "out", TINY)[0].read_text() == before
    with pytest.raises(GanvasError, match="another folder"):
        command.write(str(model), photos, tmp_path / "out", replace(TINY, steps=3))


def test_settings_follow_the_options_and_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert short(Settings()).count == 4
    with pytest.raises(GanvasError, match="measure nothing"):
        Settings(count=3, edited=4)
    given = {"count": 7, "regions": ("nose",), "steps": None}
    assert command.settings_of(False, given) == replace(Settings(), count=7, edited=7, regions=("nose",))
    assert run(command.study, ["faces-dcgan", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "compares z, w and w+; this generator has z" in capsys.readouterr().err


def test_edits_of_tuned_photos_use_the_tuned_weights(generator):
    """Edits of tuned photos are painted by the tuned weights."""
    (edit,) = find_edits(generator, TINY)
    latent = generated(generator, TINY).rows([0])
    name, weight = next(iter((n, w) for n, w in generator.named_parameters() if n.endswith("conv1.weight")))
    changed = replace(latent, tuned={name: torch.full_like(weight, 0.2)})
    plain, tuned_ = edited(generator, latent, edit), edited(generator, changed, edit)
    assert not torch.allclose(tuned_, plain, atol=1e-3)
    painted = with_differences(generator, changed.tuned).synthesize(changed.to_space(generator, "w+").codes, "w+")
    torch.testing.assert_close(tuned_[:, 1], painted, atol=1e-5, rtol=1e-4)
