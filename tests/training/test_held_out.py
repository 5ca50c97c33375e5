"""A run is evaluated on held-out images, without any effect on the run itself."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ganvas.metrics.evaluation import fake_images
from ganvas.metrics.features import global_features, load_features
from ganvas.metrics.spectrum import octave_energies
from ganvas.training.events import EVALUATION
from ganvas.training.gan.held_out import HeldOutEvaluation, open_held_out
from ganvas.training.log import read_log
from tests.training.tiny import CPU, STYLE, begin, differing, finish, write_images

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> HeldOutEvaluation:
    torch.set_num_threads(1)
    return replace(open_held_out(write_images(tmp_path_factory.mktemp("held"), 20, (16, 16)), 16, CPU), seeds=8)


@pytest.mark.slow
def test_evaluation_does_not_change_the_run(held_out: HeldOutEvaluation, tmp_path: Path):
    evaluated = begin(STYLE, tmp_path / "evaluated", 48, evaluate_every=16)
    evaluated.held_out = held_out
    events = [event for event in finish(evaluated) if event.kind == EVALUATION]
    plain = begin(STYLE, tmp_path / "plain", 48, evaluate_every=16)
    assert not [event for event in finish(plain) if event.kind == EVALUATION]
    assert differing(evaluated.networks, plain.networks) == []
    assert [event.images for event in events] == [16, 32, 48]
    lines = [line for line in read_log(tmp_path / "evaluated") if line.get("event") == EVALUATION]
    assert [line["kernel_mmd"] for line in lines] == [event.metrics["kernel_mmd"] for event in events]
    assert events[-1].metrics == held_out.metrics(evaluated.networks.average)


@pytest.mark.slow
def test_generator_is_nearest_to_its_own_images(held_out: HeldOutEvaluation):
    generator = STYLE.build(CPU).average
    images = torch.cat(list(fake_images(generator, range(50, 74))))
    own = replace(
        held_out.reference,
        features=global_features(load_features(), images),
        finest_octave=float(octave_energies(images)[:, 0].mean()),
    )
    near = HeldOutEvaluation(own, seeds=24).metrics(generator)
    far = replace(held_out, seeds=24).metrics(generator)
    assert near["kernel_mmd"] < 0.2 * far["kernel_mmd"]
    assert near["finest_octave"] == pytest.approx(1, abs=0.3)
    assert far["kernel_mmd"] > 3 * far["kernel_mmd_error"] > 0
