"""FID's Inception network: the features of torch-fidelity's from the same weights; other files are refused."""

import json
from pathlib import Path

import pytest
import torch

from ganvas.errors import CheckpointError
from ganvas.metrics.inception import NAME, load_inception, resize_like_tensorflow
from tests.metrics.inception_weights import VECTORS, images, random_weights, shapes


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    torch.save(random_weights(shapes()), path)
    return path


@pytest.mark.float32
@pytest.mark.slow
def test_features_are_those_of_torch_fidelity(weights: Path):
    network = load_inception(weights)
    features = network(images())
    expected = torch.tensor(json.loads(VECTORS.read_text("utf-8"))["features"])
    torch.testing.assert_close(features[:, ::64], expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(network(images()[1:]), features[1:], rtol=1e-3, atol=1e-3)
    assert network.name == "Inception-v3 of random.pth" != NAME  # the name of FID's is of its own weights only
    assert network.distance_names == ("KID", "FID")


@pytest.mark.slow
def test_damaged_weights_are_refused(weights: Path, tmp_path: Path):
    held = random_weights(shapes())
    for number, change in enumerate(({"Mixed_6c.branch1x1.conv.weight": torch.zeros(192, 5, 1, 1)}, {})):
        damaged = {name: value for name, value in held.items() if number == 0 or "Mixed_7c.branch_pool" not in name}
        path = tmp_path / f"{number}.pth"
        torch.save(damaged | change, path)
        with pytest.raises(CheckpointError, match="does not fit the Inception network"):
            load_inception(path)


def test_other_files_are_refused(tmp_path: Path):
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match="not FID's Inception"):
        load_inception(tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match="no file"):
        load_inception(tmp_path / "none.pth")


def test_resizing_reads_at_multiples_of_the_scale():
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    assert resize_like_tensorflow(ramp, 8)[0, 0, 0].tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3]
    assert torch.equal(resize_like_tensorflow(ramp, 4), ramp)
