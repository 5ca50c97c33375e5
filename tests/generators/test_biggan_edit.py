"""The main job on a BigGAN-deep: region, directions, edit; a direction found for one class applied to another."""

import json
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.checkpoints.load import convert
from ganvas.cli import main
from ganvas.directions.linalg import Ridge
from ganvas.generators.biggan.generator import BigGAN
from ganvas.latents.files import load_latent
from ganvas.latents.latent import Latent, sample
from ganvas.metrics.locality import rms_change
from tests.generators.biggan_parts import small_biggan

pytestmark = pytest.mark.usefixtures("one_thread")

REGION = ganvas.Region.box(0.25, 0.25, 0.75, 0.75)
FIRST_CLASS, OTHER_CLASS = 1, 3


@pytest.fixture(scope="module")
def model(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the conformance checkpoint in our format, which is read faster under these tests' checks of types."""
    ours = tmp_path_factory.mktemp("model") / "biggan.safetensors"
    return convert(shared / "conformance" / "biggan-deep-pytorch_model.bin", ours)


def ratio(generator: BigGAN, latent: Latent, vector: torch.Tensor, step: float) -> float:
    """Return the mean squared change inside over that outside when codes move by a step."""
    known = {"label": latent.label, "truncation": latent.truncation}
    before = generator.synthesize(latent.codes.double(), "z", **known)
    after = generator.synthesize(latent.codes.double() + step * vector.double(), "z", **known)
    mask = REGION.split(generator.resolution, generator.resolution)[0].double()
    inside, outside = (rms_change(after, before, part).square() for part in (mask, 1 - mask))
    return float(inside.sum() / outside.sum())


class TestLibrary:
    @pytest.mark.slow
    @pytest.mark.float32
    @pytest.mark.parametrize("truncation", [1.0, 0.43])
    @pytest.mark.parametrize("label", [FIRST_CLASS, (0, 3)])
    def test_the_predicted_ratio_is_what_a_small_step_measures(self, truncation: float, label: int | tuple[int, ...]):
        generator = small_biggan()
        latent = sample(generator, [0, 1], label=label, truncation=truncation)
        found = ganvas.find_directions(generator, latent, REGION, count=3, method=ganvas.ReSeFa(Ridge(0.0)))
        exact = small_biggan(dtype=torch.float64)
        for one in found:
            assert ratio(exact, latent, one.vector, 1e-6) == pytest.approx(one.predicted_ratio, rel=1e-3)
        assert found.origin.label == label

    def test_truncation_scales_the_jacobian_with_the_code(self):
        """By z or by the truncated code: a factor psi, so the same directions and ratios."""
        generator = small_biggan(dtype=torch.float64)
        z = generator.sample([0]).double()
        _, push = generator.linearize(z, "z", label=0, truncation=0.5)
        tangent = torch.eye(6).double()[:1]
        step = 1e-6
        moved = [generator.synthesize(z + sign * step * tangent, "z", label=0, truncation=0.5) for sign in (1, -1)]
        torch.testing.assert_close(push(tangent), (moved[0] - moved[1]) / (2 * step), rtol=1e-5, atol=1e-7)

    @pytest.mark.slow
    def test_a_direction_of_one_class_moves_another(self, tmp_path: Path):
        generator = small_biggan()
        latent = sample(generator, [0], label=FIRST_CLASS, truncation=0.7)
        found = ganvas.find_directions(generator, latent, REGION, count=2)
        again = ganvas.load_directions(found.save(tmp_path / "first.safetensors"))
        assert again.origin.label == FIRST_CLASS
        other = sample(generator, [5, 6], label=OTHER_CLASS, truncation=0.7)
        moved = ganvas.edit(generator, other, again[0], 2.0)
        assert (moved.space, moved.label, moved.truncation) == ("z", OTHER_CLASS, 0.7)
        assert not torch.equal(generator.synthesize(moved), generator.synthesize(other))

    @pytest.mark.float32
    def test_labels_per_row_are_kept_with_the_codes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        generator = small_biggan()
        latent = sample(generator, [0, 1, 2], label=[3, 0, 1], truncation=0.5)
        assert latent.captions == ("seed 0, class 3", "seed 1, class 0", "seed 2, class 1")
        assert latent.rows([2, 0]).label == (1, 3)
        again = load_latent(latent.save(tmp_path / "latent.safetensors"))
        assert again.label == (3, 0, 1)
        monkeypatch.setattr("ganvas.generators.at_once.PIXELS_AT_ONCE", 2 * generator.resolution**2)
        painted = torch.cat(list(again.images(generator)))
        assert torch.allclose(
            painted, generator.synthesize(latent.codes, "z", label=(3, 0, 1), truncation=0.5), atol=1e-5
        )
        with pytest.raises(ganvas.GanvasError, match="2 labels do not fit 3 codes"):
            Latent(torch.zeros(3, 6), "z", label=(0, 1))

    def test_a_wrong_label_fails_before_the_first_image(self):
        for label, message in ((None, "needs a label"), (9, "classes 0-3"), ([0, 1], "does not fit 3 codes")):
            with pytest.raises(ganvas.GanvasError, match=message):
                sample(small_biggan(), [0, 1, 2], label=label)


class TestCommandLine:
    """On the conformance checkpoint: random weights, so that the region's share of the change is small."""

    def run(self, capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
        assert main([*map(str, arguments), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    @pytest.mark.slow
    def test_a_direction_of_one_class_edits_others(
        self, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        shown = self.run(
            capsys, "directions", model, "--region", "box:0.25,0.25,0.75,0.75", "--label", FIRST_CLASS,
            "--seeds", "0-1", "--count", 2, "--strength", "-2s:2s:3", "--out", tmp_path / "found",
        )  # fmt: skip
        assert shown["space"] == "z"
        found = tmp_path / "found" / "directions.safetensors"
        assert ganvas.load_directions(found).origin.label == FIRST_CLASS
        edits = ("edit", model, found, "--seeds", "4-5", "--strength", "-2s:2s:3", "--frames", 0)
        tables = {}
        for label in (None, OTHER_CLASS, f"{OTHER_CLASS},0"):
            out = tmp_path / str(label)
            options = () if label is None else ("--label", label)
            tables[label] = self.run(capsys, *edits, *options, "--out", out)["changes"]
            latent = load_latent(out / "latent.safetensors")
            assert latent.label == {None: FIRST_CLASS, OTHER_CLASS: OTHER_CLASS}.get(label, (3, 3, 3, 0, 0, 0))
        for changes in tables.values():
            assert len(changes) == 2
            assert all(row["inside"][0] > 0 < row["outside"][2] and row["inside"][1] == 0 for row in changes)
        assert tables[None] != tables[OTHER_CLASS]
        assert tables[OTHER_CLASS][0]["inside"] == tables[f"{OTHER_CLASS},0"][0]["inside"]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ([], "needs a label"),
            (["--label", "10"], "classes 0-9"),
            (["--label", "tabby"], "no names"),
            (["--label", "1,2"], "does not fit 3 codes"),
            (["--label", "1", "--truncation", "0"], "above 0, at most 1"),
        ],
    )
    def test_errors_say_what_to_do(
        self, model: Path, options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        assert main(["sample", str(model), "--seeds", "0-2", "--out", str(tmp_path), *options]) == 2
        assert message in capsys.readouterr().err
