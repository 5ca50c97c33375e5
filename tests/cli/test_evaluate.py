"""``ganvas evaluate``: distances of a generator from real images."""

import json
from pathlib import Path

import pytest
import torch

from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from ganvas.images import pixels
from ganvas.metrics.features import Architecture, FeatureNetwork, save_features
from tests.cli.conftest import Run
from tests.generators.small import small_stylegan2
from tests.generators.test_dcgan import small_dcgan
from tests.metrics.inception_weights import random_weights, shapes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with 20 images, generators and a small feature network."""
    folder = tmp_path_factory.mktemp("evaluate")
    (folder / "images").mkdir()
    for index, image in enumerate(torch.rand(20, 3, 40, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1):
        pixels.write_image(folder / "images" / f"{index}.png", image[None])
    for name, generator in (("layers", small_stylegan2(16)), ("plain", small_dcgan())):
        save_generator(folder / f"{name}.safetensors", generator, About(name, "", {}))
    torch.manual_seed(0)
    network = FeatureNetwork(Architecture(32, (4, 6), 5))
    network.projection.normal_()
    save_features(folder / "features.safetensors", network, {})
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("name", ["layers", "plain"])
def test_metrics_are_reproducible(run: Run, folder: Path, name: str):
    given = ("evaluate", folder / f"{name}.safetensors", folder / "images", "--seeds", "0-19", "--json")
    outcome, again = (run(*given, "--features", folder / "features.safetensors") for _ in range(2))
    assert (outcome.code, outcome.err) == (0, "")
    summary = json.loads(outcome.out)
    assert summary == json.loads(again.out)
    assert summary["kernel_mmd"] > summary["kernel_mmd_error"] > 0
    assert summary["frechet_distance"] > 0
    assert (summary["real_images"], len(summary["seeds"])) == (20, 20)


def test_imagenet_features_carry_their_own_name(run: Run, folder: Path, tmp_path: Path):
    given = ("evaluate", folder / "layers.safetensors", folder / "images", "--seeds", "0-4", "--features", "imagenet")
    outcome = run(*given, "--out", tmp_path / "parts", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert json.loads(outcome.out)["network"] == "EfficientNet-Lite0 (ImageNet)"
    assert len(list((tmp_path / "parts").glob("*.npz"))) == 2
    assert run(*given, "--out", tmp_path / "parts", "--json").out == outcome.out


@pytest.mark.slow
def test_inception_weights_give_fid_and_kid(run: Run, folder: Path, tmp_path: Path):
    torch.save(random_weights(shapes()), tmp_path / "inception.pth")
    given = ("evaluate", folder / "layers.safetensors", folder / "images", "--seeds", "0-4")
    outcome = run(*given, "--features", tmp_path / "inception.pth")
    assert (outcome.code, outcome.err) == (0, "")
    assert "KID " in outcome.out
    assert "FID " in outcome.out
    assert "on 2048 components" in outcome.out
    assert "Inception-v3 of inception.pth" in outcome.out


def test_text_output_names_the_metrics(run: Run, folder: Path):
    given = ("evaluate", folder / "layers.safetensors", folder / "images", "--seeds", "0-4", "--images", "18")
    outcome = run(*given, "--features", folder / "features.safetensors")
    assert outcome.code == 0
    assert "kernel MMD" in outcome.out
    assert "on 5 components" in outcome.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--images", "2"), "2 real images are too few"),
        (("--seeds", "0-1"), "20 and 2 images are too small"),
        (("--features", "nowhere"), "no file 'nowhere'"),
        (("--label", "3"), "class"),
    ],
)
def test_evaluation_refuses_wrong_options(run: Run, folder: Path, options: tuple[str, ...], message: str):
    given = ["evaluate", folder / "layers.safetensors", folder / "images", *options]
    if "--features" not in options:
        given += ["--features", folder / "features.safetensors"]
    if "--seeds" not in options:
        given += ["--seeds", "0-2"]
    outcome = run(*given)
    assert outcome.code == 2
    assert message in outcome.err
