"""A run is measured by images that were held out, without any effect on the run itself."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ganvas.metrics.evaluation import made_images
from ganvas.metrics.features import global_features, load_features
from ganvas.metrics.spectrum import octave_energies
from ganvas.training.gan.held_out import Yardstick, open_yardstick
from ganvas.training.gan.run import DISTANCE
from ganvas.training.log import read_log
from tests.training.tiny import CPU, STYLE, begin, differing, finish, write_images

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def yardstick(tmp_path_factory: pytest.TempPathFactory) -> Yardstick:
    torch.set_num_threads(1)
    return replace(open_yardstick(write_images(tmp_path_factory.mktemp("held"), 20, (16, 16)), 16, CPU), seeds=8)


def test_a_measured_run_is_the_run_that_was_not(yardstick: Yardstick, tmp_path: Path):
    measured = begin(STYLE, tmp_path / "measured", 48, test_every=16)
    measured.yardstick = yardstick
    events = finish(measured)
    plain = begin(STYLE, tmp_path / "plain", 48, test_every=16)
    assert not [event for event in finish(plain) if event.kind == DISTANCE]
    assert differing(measured.networks, plain.networks) == []
    told = [event for event in events if event.kind == DISTANCE]
    assert [event.images for event in told] == [16, 32, 48]
    lines = [line for line in read_log(tmp_path / "measured") if line.get("event") == DISTANCE]
    assert [line["kernel_distance"] for line in lines] == [event.numbers["kernel_distance"] for event in told]
    assert told[-1].numbers == yardstick.measure(measured.networks.average)


def test_a_generator_is_next_to_its_own_images(yardstick: Yardstick):
    generator = STYLE.build(CPU).average
    images = torch.cat(list(made_images(generator, range(50, 74))))
    own = replace(
        yardstick,
        features=global_features(load_features(), images),
        top_octave=float(octave_energies(images)[:, 0].mean()),
        seeds=24,
    )
    near, far = own.measure(generator), replace(yardstick, seeds=24).measure(generator)
    assert near["kernel_distance"] < 0.2 * far["kernel_distance"]
    assert near["finest_octave"] == pytest.approx(1, abs=0.3)
    assert far["kernel_distance"] > 3 * far["kernel_distance_error"] > 0
