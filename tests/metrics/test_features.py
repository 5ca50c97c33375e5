import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ganvas.errors import CheckpointError, ImageError
from ganvas.images import pixels
from ganvas.metrics import features
from ganvas.metrics.corruptions import blur, shift
from ganvas.metrics.features import (
    Architecture,
    FeatureNetwork,
    global_features,
    halve,
    load_features,
    save_features,
    statistics,
)

SMALL = Architecture(32, (6, 8, 10), 12)


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    torch.manual_seed(0)
    small = FeatureNetwork(SMALL).eval().requires_grad_(False)
    small.mean.normal_()
    small.projection.normal_()
    return small


@pytest.fixture(scope="module")
def bundled() -> FeatureNetwork:
    return load_features()


def images(count: int, seed: int = 0, side: int = 32) -> torch.Tensor:
    noise = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))
    return blur(noise, torch.full((count,), 1.5)).clamp(-1, 1)


class TestNetwork:
    def test_maps_halve_and_features_count(self, network: FeatureNetwork):
        maps = network.maps(images(2))
        assert [list(each.shape) for each in maps] == [[2, 6, 32, 32], [2, 8, 16, 16], [2, 10, 8, 8]]
        assert network(images(2)).shape == (2, 12)

    def test_rows_do_not_know_each_other(self, network: FeatureNetwork):
        network, x = copy.deepcopy(network).double(), images(5).double()  # float32 may be computed in bfloat16
        alone = torch.cat([network(row[None]) for row in x])
        torch.testing.assert_close(network(x), alone, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(global_features(network, x, batch=2), alone, rtol=1e-9, atol=1e-9)

    def test_other_sizes_are_resized(self, network: FeatureNetwork):
        x = images(2, side=64)
        torch.testing.assert_close(network(x), network(pixels.resize(x, 32, 32)))
        assert network(images(1, side=16)).shape == (1, 12)

    def test_gradient_flows_to_the_image(self, network: FeatureNetwork):
        x = images(2).requires_grad_()
        network(x).square().sum().backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()
        assert x.grad.abs().sum((1, 2, 3)).gt(0).all()

    @pytest.mark.parametrize(
        "wrong", [torch.zeros(1, 1, 32, 32), torch.zeros(1, 3, 8, 32), torch.zeros(1, 3, 32, 32, dtype=torch.uint8)]
    )
    def test_what_is_no_image(self, network: FeatureNetwork, wrong: torch.Tensor):
        with pytest.raises(ImageError, match="no batch of images"):
            network._prepare(wrong)

    @pytest.mark.parametrize("sizes", [(32, (4,)), (30, (4, 8, 8)), (32, (4, 0)), (0, (4, 8)), (32, (4, 10**6))])
    def test_sizes_that_cannot_be(self, sizes: tuple):
        with pytest.raises(CheckpointError):
            Architecture(*sizes)


class TestStatistics:
    def test_means_and_logarithms_of_stds(self):
        values = torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]])
        mean, std = statistics([values])[0].tolist()
        assert mean == 4
        assert std == pytest.approx(torch.tensor(5.0).sqrt().log().item(), rel=1e-4)

    def test_map_after_map(self):
        first, second = torch.randn(2, 3, 4, 4), torch.randn(2, 5, 2, 2)
        found = statistics([first, second])
        assert found.shape == (2, 16)
        torch.testing.assert_close(found[:, :3], first.mean((2, 3)))
        torch.testing.assert_close(found[:, 6:11], second.mean((2, 3)))

    def test_halving_keeps_what_is_flat_and_removes_what_alternates(self):
        flat = halve(torch.full((1, 4, 8, 8), 2.0))
        torch.testing.assert_close(flat[:, :, 1:-1, 1:-1], torch.full((1, 4, 2, 2), 2.0))
        rows = torch.tensor([1.0, -1.0]).repeat(4)[None, None, None, :].expand(1, 4, 8, 8)
        torch.testing.assert_close(halve(rows)[:, :, 1:-1, 1:-1], torch.zeros(1, 4, 2, 2))

    def test_halving_keeps_channels_apart(self):
        x = torch.zeros(1, 3, 8, 8)
        x[:, 1] = 1
        assert halve(x)[:, [0, 2]].abs().max() == 0


class TestFiles:
    def test_round_trip_in_half_precision(self, network: FeatureNetwork, tmp_path: Path):
        again = load_features(save_features(tmp_path / "f.safetensors", network, {"data": "noise"}))
        assert again.architecture == network.architecture
        torch.testing.assert_close(again(images(2)), network(images(2)), rtol=0.02, atol=0.05)
        assert not any(parameter.requires_grad for parameter in again.parameters())

    def test_bfloat16_gives_float32_features(self, network: FeatureNetwork, tmp_path: Path):
        path = save_features(tmp_path / "f.safetensors", network, {})
        exact, fast = (load_features(path, dtype=dtype)(images(2)) for dtype in (torch.float32, torch.bfloat16))
        assert fast.dtype == torch.float32
        assert torch.nn.functional.cosine_similarity(exact, fast).min() > 0.99

    def test_a_file_of_another_kind(self, tmp_path: Path):
        from ganvas.io.tensor_files import write_tensors

        path = write_tensors(tmp_path / "g.safetensors", "latent", {"a": torch.zeros(1)}, {}, CheckpointError)
        with pytest.raises(CheckpointError, match="latent, not feature network"):
            load_features(path)
        with pytest.raises(CheckpointError, match="no file"):
            load_features(tmp_path / "none")

    @pytest.mark.parametrize(
        "description",
        [
            {},
            {"resolution": 32},
            {"resolution": 32, "widths": 3, "features": 12},
            {"resolution": 32, "widths": [6, 8, 12], "features": 12},
            {"resolution": 32, "widths": ["6"], "features": 12},
            {"resolution": 32, "widths": [6, 8, 10], "features": 13},
        ],
    )
    def test_a_description_that_does_not_fit(self, network: FeatureNetwork, tmp_path: Path, description: dict):
        from ganvas.io.tensor_files import write_tensors

        tensors = dict(network.state_dict())
        path = write_tensors(
            tmp_path / "f.safetensors", features.KIND, tensors, {"architecture": description}, CheckpointError
        )
        with pytest.raises(CheckpointError):
            load_features(path)


class TestBundled:
    def test_is_small(self, bundled: FeatureNetwork):
        folder = Path(features.__file__).parent / "bundled"
        assert sum(parameter.numel() for parameter in bundled.parameters()) <= 3_000_000
        assert (folder / "features.safetensors").stat().st_size <= 6 * 2**20
        assert (folder / "features.md").is_file()

    def test_its_hash_is_checked(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(features, "BUNDLED_HASH", "0" * 64)
        with pytest.raises(CheckpointError, match="not the feature network of this version"):
            load_features()

    def test_weights_are_half_precision_and_all_finite(self):
        tensors = load_file(Path(features.__file__).parent / "bundled" / "features.safetensors")
        assert all(tensor.isfinite().all() for tensor in tensors.values())
        assert {tensor.dtype for name, tensor in tensors.items() if name.startswith("stages")} == {torch.float16}

    def test_same_features_at_every_batch_and_in_bfloat16(self, bundled: FeatureNetwork):
        x, exact = images(3, side=128), copy.deepcopy(bundled).double()
        found = global_features(exact, x.double())
        torch.testing.assert_close(global_features(exact, x.double(), batch=1), found, rtol=1e-9, atol=1e-9)
        found = global_features(bundled, x)
        fast = global_features(load_features(dtype=torch.bfloat16), x)
        assert torch.nn.functional.cosine_similarity(fast, found).min() > 0.99

    def test_a_shift_by_two_pixels_is_less_than_another_image(self, bundled: FeatureNetwork):
        x = images(3, side=128)
        found, moved = global_features(bundled, x), global_features(bundled, shift(x, 2))
        assert torch.cdist(moved, found).argmin(1).tolist() == [0, 1, 2]
