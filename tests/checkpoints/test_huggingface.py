"""BigGAN-deep of Hugging Face: the conformance vectors, the config beside the weights, and damaged files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganvas.checkpoints.formats.huggingface import fold_spectral_norm, read_biggan
from ganvas.checkpoints.load import convert, info, load
from ganvas.errors import CheckpointError
from ganvas.generators.biggan.generator import BigGAN
from ganvas.generators.biggan.synthesis import BigGANArchitecture

pytestmark = pytest.mark.usefixtures("one_thread")

WEIGHTS, CONFIG = "biggan-deep-pytorch_model.bin", "biggan-deep-config.json"
TOLERANCE = 1e-4
"""Of the image's standard deviation, as the README of the vectors says."""
CONFORMING = BigGANArchitecture(64, (128, 128, 64, 64, 32, 32, 16, 16, 8), (False, True) * 4, 4, 32, 32, 10, 51, 1e-4)


@pytest.fixture
def weights(shared: Path, tmp_path: Path) -> Path:
    """Return the weights of the conformance folder, alone."""
    return Path(shutil.copy(shared / "conformance" / WEIGHTS, tmp_path))


@pytest.fixture
def config(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "conformance" / CONFIG).read_text())


@pytest.fixture
def tree(weights: Path) -> dict[str, Tensor]:
    return dict(torch.load(weights, weights_only=True))


def check_vectors(generator: Any, shared: Path) -> None:
    stored = {name: torch.from_numpy(array) for name, array in np.load(shared / "conformance/biggan-deep.npz").items()}
    for truncation in (1.0, 0.4, 0.43):
        wanted = stored[f"image_truncation{truncation}"]
        for compat in (None, "official"):
            generator.set_compat(compat)
            image = generator.synthesize(stored["z"], "z", label=stored["class_vector"], truncation=truncation)
            assert float((image - wanted).abs().max() / wanted.std()) < TOLERANCE


class TestVectors:
    @pytest.mark.slow
    @pytest.mark.float32
    def test_images_equal_those_of_the_published_code(self, shared: Path):
        check_vectors(load(shared / "conformance" / WEIGHTS), shared)

    @pytest.mark.slow
    @pytest.mark.float32
    def test_images_are_the_same_without_a_config(self, weights: Path, shared: Path):
        generator = load(weights)
        assert generator.architecture == CONFORMING
        check_vectors(generator, shared)

    @pytest.mark.slow
    @pytest.mark.float32
    def test_images_are_the_same_after_conversion(self, shared: Path, tmp_path: Path):
        ours = convert(shared / "conformance" / WEIGHTS, tmp_path / "ours.safetensors")
        check_vectors(load(ours), shared)
        assert info(ours)["classes"] == 10

    @pytest.mark.slow
    def test_in_float16_images_are_near(self, shared: Path, tmp_path: Path):
        ours = convert(shared / "conformance" / WEIGHTS, tmp_path / "ours.safetensors", half=True)
        exact, near = load(shared / "conformance" / WEIGHTS), load(ours)
        z = exact.sample([0, 1])
        difference = near.synthesize(z, "z", label=3) - exact.synthesize(z, "z", label=3)
        assert float(difference.square().mean().sqrt()) < 0.02


class TestSpectralNorm:
    @pytest.mark.parametrize("layer", [nn.Conv2d(5, 7, 3), nn.Linear(6, 4)])
    def test_spectral_norm_folds_as_torch_does(self, layer: nn.Module):
        wrapped = nn.utils.spectral_norm(layer).double()
        x = torch.randn(2, 5, 6, 6).double() if isinstance(layer, nn.Conv2d) else torch.randn(2, 6).double()
        wrapped(x)
        wrapped.eval()
        wrapped(x)
        wanted, stored = wrapped.weight.detach(), wrapped.state_dict()
        folded = fold_spectral_norm(*(stored[f"weight_{part}"].float() for part in ("orig", "u", "v")))
        torch.testing.assert_close(folded, wanted.float())

    @pytest.mark.parametrize("factor", [0.0, float("nan"), float("inf")])
    def test_a_damaged_config_is_refused(self, factor: float):
        with pytest.raises(CheckpointError, match="is damaged"):
            fold_spectral_norm(torch.ones(2, 2) * factor, torch.ones(2), torch.ones(2))


class TestConfig:
    @pytest.mark.parametrize("name", [CONFIG, "config.json"])
    def test_a_config_is_found_by_both_names(self, name: str, weights: Path, config: dict, tree: dict):
        weights.with_name(name).write_text(json.dumps(config | {"eps": 0.001}))
        unbuilt = read_biggan(tree, weights)
        assert unbuilt is not None
        assert unbuilt.architecture.epsilon == 0.001
        assert unbuilt.facts == {"config": name}

    def test_a_config_says_which_blocks_double(self, weights: Path, config: dict, tree: dict):
        config["layers"][0][0], config["layers"][1][0] = True, False  # as many as before: the size stays
        weights.with_name(CONFIG).write_text(json.dumps(config))
        unbuilt = read_biggan(tree, weights)
        assert unbuilt is not None
        assert unbuilt.architecture.up[:2] == (True, False)

    def test_of_something_else_is_left_alone(self, weights: Path, tree: dict):
        weights.with_name("config.json").write_text('{"model_type": "bert"}')
        unbuilt = read_biggan(tree, weights)
        assert unbuilt is not None
        assert unbuilt.architecture == CONFORMING
        assert unbuilt.facts == {"config": "none: read from the shapes"}

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda config: config | {"channel_width": 16}, "belongs to other weights"),
            (lambda config: config | {"output_dim": 128}, "says output_dim 128; these have 64"),
            (lambda config: config | {"num_classes": 1000}, "says num_classes 1000; these have 10"),
            (lambda config: config | {"attention_layer_position": 8}, "belongs to other weights"),
            (lambda config: config | {"layers": config["layers"][:-1]}, "belongs to other weights"),
            (lambda config: config | {"layers": 3}, "is no whole config"),
            (lambda config: config | {"layers": [["a"]]}, "is no whole config"),
            (lambda config: config | {"channel_width": 1e400}, "is no whole config"),
            (lambda config: config | {"eps": -1.0}, "epsilon"),
            (lambda config: [config], "cannot be read"),
        ],
    )
    def test_of_other_weights_is_refused(self, change: Callable, message: str, weights: Path, config: dict, tree: dict):
        weights.with_name(CONFIG).write_text(json.dumps(change(config)))
        with pytest.raises(CheckpointError, match=message):
            read_biggan(tree, weights)

    @pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b" " * (2**20 + 1)])
    def test_that_is_no_json_is_refused(self, text: bytes, weights: Path, tree: dict):
        weights.with_name(CONFIG).write_bytes(text)
        with pytest.raises(CheckpointError, match="cannot be read"):
            read_biggan(tree, weights)


class TestDamage:
    def test_other_trees_are_not_recognized(self, tmp_path: Path):
        for tree in (None, [], {}, {"embeddings.weight": torch.zeros(2, 2)}, {"state_dict": {}}):
            assert read_biggan(tree, tmp_path / "x.bin") is None

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("generator.gen_z.weight_u", None, "has no weight_u"),
            ("generator.gen_z.weight_v", torch.ones(3), "has no weight_u"),
            ("generator.gen_z.weight_orig", torch.zeros(()), "has no weight_u"),
            ("generator.gen_z.weight_orig", torch.zeros(2048, 64), "spectral norm 0"),
            ("generator.gen_z.weight_orig", torch.zeros(2048, 64, dtype=torch.int64), "holds torch.int64"),
            ("generator.bn.running_means", torch.zeros(8), "2 dimensions were expected"),
            ("generator.bn.running_means", None, "the weights lack generator.bn.running_means"),
            ("generator.layers.3.conv_0.weight_orig", None, "one row is expected"),
            ("generator.layers.9.gamma", torch.ones(1), "one row is expected"),
            ("generator.layers.2.bn_0.running_vars", None, r"missing \['synthesis.blocks.2.norms.0.variances'\]"),
            ("generator.layers.2.bn_0.running_vars", torch.ones(50, 64), "has shape"),
            ("generator.something", torch.ones(1), r"unknown \['generator.something'\]"),
            ("embeddings.weight", torch.ones(64, 10), "whole numbers from 1"),
            ("generator.conv_to_rgb.bias", torch.ones(2), "has shape"),
            ("generator.conv_to_rgb.bias", torch.ones(()), "1 dimensions were expected"),
            ("generator.layers.4.gamma", torch.ones(0), "attention.gain has shape"),
        ],
    )
    def test_damage_is_refused_with_its_place(
        self, name: str, value: Tensor | None, message: str, weights: Path, tree: dict
    ):
        damaged = {key: tensor for key, tensor in tree.items() if key != name} | (
            {} if value is None else {name: value}
        )
        torch.save(damaged, weights)
        with pytest.raises(CheckpointError, match=message):
            load(weights)

    def test_a_network_without_attention_is_read(self, weights: Path, tree: dict):
        """No published file is so; the reader follows the names all the same."""
        plain = {}
        for name, tensor in tree.items():
            part = name.split(".")
            if part[1] == "layers" and part[2] == "4":
                continue
            if part[1] == "layers" and int(part[2]) > 4:
                part[2] = str(int(part[2]) - 1)
            plain[".".join(part)] = tensor
        torch.save(plain, weights)
        generator = load(weights)
        assert isinstance(generator, BigGAN)
        assert generator.architecture.attention is None
        assert generator.synthesize(generator.sample([0]), "z", label=0).isfinite().all()
