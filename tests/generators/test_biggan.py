"""BigGAN-deep: its parts against torch's own and against formulas, its derivative, and what the protocol promises."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import truncnorm

from ganvas.errors import CheckpointError, LatentError
from ganvas.generators import ops
from ganvas.generators.biggan import synthesis as biggan_synthesis
from ganvas.generators.biggan.generator import BigGAN, imagenet_names
from ganvas.generators.biggan.layers import Attention, Block, Condition, ConditionalNorm, statistics_weights
from ganvas.generators.biggan.synthesis import BigGANArchitecture
from ganvas.generators.protocol import Generator, HasClasses, Linearizable
from tests.generators.biggan_parts import SMALL, small_biggan

pytestmark = pytest.mark.usefixtures("one_thread")

MISROUNDED = (0.14, 0.28, 0.56, 0.58, 0.94)
"""Truncations at which pytorch-pretrained-BigGAN takes the neighbor's statistics."""


def rows(generator: BigGAN, count: int = 3) -> torch.Tensor:
    return generator.sample(range(count)).to(generator.embedding.dtype)


class TestStatistics:
    @given(st.floats(0.001, 1.0), st.integers(2, 60))
    def test_a_linear_table_is_interpolated_exactly(self, truncation: float, count: int):
        weights = statistics_weights(count, truncation).double()
        assert float(weights @ torch.linspace(0, 1, count, dtype=torch.float64)) == pytest.approx(truncation, abs=1e-6)
        assert float(weights.sum()) == pytest.approx(1, abs=1e-6)
        assert (weights >= 0).all()
        assert (weights > 0).sum() <= 2

    @pytest.mark.parametrize("index", range(1, 51))
    def test_a_row_of_the_table_is_taken_as_it_is(self, index: int):
        ours, official = (statistics_weights(51, index / 50, official=mode) for mode in (False, True))
        assert int(ours.argmax()) == index
        assert float(ours.max()) == pytest.approx(1, abs=1e-6)
        assert (int(official.argmax()) != index) == (index / 50 in MISROUNDED)

    @given(st.floats(0.01, 0.99))
    def test_the_official_weights_are_ours_the_wrong_way_round(self, truncation: float):
        ours, official = statistics_weights(51, truncation), statistics_weights(51, truncation, official=True)
        if 1e-6 < (truncation * 50) % 1 < 1 - 1e-6:
            lower = int(truncation * 50)
            assert torch.allclose(official[[lower, lower + 1]], ours[[lower + 1, lower]], atol=1e-6)


class TestParts:
    """Each part against torch's own functions, in float64."""

    condition = Condition(
        torch.randn(2, 4, generator=torch.Generator().manual_seed(1)).double(), torch.eye(3)[1].double()
    )

    def test_doubling_inside_a_convolution_equals_doubling_before_it(self):
        random = torch.Generator().manual_seed(0)
        x = torch.randn(2, 3, 5, 6, generator=random).double()
        weight = torch.randn(4, 3, 3, 3, generator=random).double()
        plain = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), weight, padding=1)
        torch.testing.assert_close(ops.convolve_doubled(x, ops.doubled_taps(weight)), plain)

    def test_conditional_normalization_is_its_formula(self):
        norm, x = self.filled(ConditionalNorm(5, 4, 3, 1e-4)), torch.randn(2, 5, 3, 3).double()
        normal = F.batch_norm(x, norm.means[1], norm.variances[1], eps=1e-4)
        scale, offset = self.condition.code @ norm.scale.T, self.condition.code @ norm.offset.T
        plain = F.relu(normal * (1 + scale[:, :, None, None]) + offset[:, :, None, None])
        torch.testing.assert_close(norm(x, self.condition), plain)

    @pytest.mark.parametrize("up", [False, True])
    def test_a_block_is_its_formula(self, up: bool):
        block, x = self.filled(Block(8, 6, 2, 4, 3, 1e-4, up)), torch.randn(2, 8, 3, 3).double()
        y = x
        for index, (norm, conv) in enumerate(block.layers()):
            y = norm(y, self.condition)
            y = F.interpolate(y, scale_factor=2, mode="nearest") if up and index == 1 else y
            y = F.conv2d(y, conv.weight, conv.bias, padding=conv.weight.shape[-1] // 2)
        shortcut = F.interpolate(x, scale_factor=2, mode="nearest") if up else x
        torch.testing.assert_close(block(x, self.condition), y + shortcut[:, :6])

    def test_attention_is_its_formula(self):
        attention, x = self.filled(Attention(16)), torch.randn(2, 16, 4, 6).double()
        query, key, value = (F.conv2d(x, part.weight) for part in (attention.query, attention.key, attention.value))
        key, value = F.max_pool2d(key, 2), F.max_pool2d(value, 2)
        gathered = F.scaled_dot_product_attention(
            *(part.flatten(2).transpose(1, 2) for part in (query, key, value)), scale=1.0
        )
        out = F.conv2d(gathered.transpose(1, 2).unflatten(2, (4, 6)), attention.out.weight)
        torch.testing.assert_close(attention(x, self.condition), x + attention.gain * out)

    def filled(self, part):
        random = torch.Generator().manual_seed(2)
        part.double().eval().requires_grad_(False)
        for name, tensor in part.state_dict().items():
            drawn = torch.randn(tensor.shape, generator=random).double()
            tensor.copy_(drawn.square() + 0.1 if name.endswith("variances") else drawn)
        return part


class TestDerivative:
    @pytest.mark.parametrize("attention", [None, 0, 2, 4])
    @pytest.mark.parametrize("truncation", [1.0, 0.43])
    def test_linearize_is_what_forward_mode_gives(self, attention: int | None, truncation: float):
        generator = small_biggan(replace(SMALL, attention=attention), dtype=torch.float64)
        z = rows(generator, 1)
        tangents = torch.randn(4, 6, generator=torch.Generator().manual_seed(3)).double()

        def paint(code: torch.Tensor) -> torch.Tensor:
            return generator.synthesize(code, "z", label=2, truncation=truncation)

        def along(tangent: torch.Tensor) -> torch.Tensor:
            return torch.func.jvp(paint, (z,), (tangent[None],))[1][0]

        image, push = generator.linearize(z, "z", label=2, truncation=truncation)
        torch.testing.assert_close(image, paint(z))
        torch.testing.assert_close(push(tangents), torch.func.vmap(along)(tangents))

    def test_backwards_agrees_with_differences(self):
        generator = small_biggan(dtype=torch.float64)
        z = rows(generator, 1).requires_grad_(True)
        assert torch.autograd.gradcheck(
            lambda code: generator.synthesize(code, "z", label=1, truncation=0.6)[..., ::9, ::9], z
        )

    def test_tangents_split_at_the_cache_are_the_same(self, monkeypatch: pytest.MonkeyPatch):
        generator = small_biggan(dtype=torch.float64)
        tangents = torch.eye(6).double()
        _, push = generator.linearize(rows(generator, 1), "z", label=0)
        whole = push(tangents)
        monkeypatch.setattr(biggan_synthesis, "CACHE_BYTES", 20_000)
        torch.testing.assert_close(push(tangents), whole)

    def test_derivative_refuses_layers(self):
        with pytest.raises(LatentError, match="has none: leave layers out"):
            small_biggan().linearize(torch.zeros(1, 6), "z", layers=[0], label=0)


class TestProtocol:
    def test_biggan_satisfies_the_protocol(self):
        generator = small_biggan()
        assert isinstance(generator, Generator)
        assert isinstance(generator, Linearizable)
        assert isinstance(generator, HasClasses)
        assert generator.feature_names == ("block0_4", "block1_8", "attention_8", "block2_8", "block3_16")

    @pytest.mark.slow
    @given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4))
    def test_the_prior_is_scipys_truncated_normal(self, seeds: list[int]):
        codes = small_biggan().sample(seeds)
        for seed, row in zip(seeds, codes, strict=True):
            drawn = truncnorm.rvs(-2, 2, size=6, random_state=np.random.RandomState(seed))
            assert np.allclose(row, drawn, atol=1e-6)

    @pytest.mark.float32
    def test_a_row_has_one_image_whatever_its_batch(self, monkeypatch: pytest.MonkeyPatch):
        generator = small_biggan()
        z, labels = rows(generator), (3, 0, 1)
        alone = torch.cat([generator.synthesize(z[i : i + 1], "z", label=labels[i], truncation=0.5) for i in range(3)])
        torch.testing.assert_close(generator.synthesize(z, "z", label=labels, truncation=0.5), alone)
        monkeypatch.setattr(biggan_synthesis, "CACHE_BYTES", 20_000)
        with torch.no_grad():
            torch.testing.assert_close(generator.synthesize(z, "z", label=labels, truncation=0.5), alone)

    def test_truncation_shortens_the_code_and_chooses_statistics(self):
        generator = small_biggan()
        z = rows(generator)
        half = generator.synthesize(z, "z", label=1, truncation=0.5)
        assert not torch.allclose(half, generator.synthesize(0.5 * z, "z", label=1), atol=1e-3)
        for norm in (module for module in generator.modules() if hasattr(module, "means")):
            norm.means[:], norm.variances[:] = norm.means[2].clone(), norm.variances[2].clone()  # that of 0.5
        torch.testing.assert_close(half, generator.synthesize(0.5 * z, "z", label=1))

    def test_one_hot_rows_mix_classes(self):
        generator = small_biggan()
        z = rows(generator)
        torch.testing.assert_close(
            generator.synthesize(z, "z", label=torch.eye(4)[[2] * 3]), generator.synthesize(z, "z", label=2)
        )
        mixed = generator.synthesize(z, "z", label=torch.full((3, 4), 0.25))
        assert mixed.isfinite().all()

    @pytest.mark.parametrize("name", small_biggan().feature_names)
    def test_resuming_from_a_feature_map_gives_the_image(self, name: str):
        generator = small_biggan()
        z, known = rows(generator), {"label": (0, 1, 2), "truncation": 0.7}
        found = generator.features(z, [name], "z", with_image=True, **known)
        size = int(name.split("_")[1])
        assert found[name].shape[2:] == (size, size)
        torch.testing.assert_close(found["image"], generator.synthesize(z, "z", **known))
        torch.testing.assert_close(generator.resume(name, found[name], z, "z", **known), found["image"])
        torch.testing.assert_close(generator.features(z, [name], "z", **known)[name], found[name])

    def test_several_feature_maps_or_none_can_be_asked_for(self):
        generator = small_biggan()
        z = rows(generator)
        assert set(generator.features(z, ["block3_16", "block0_4"], "z", label=0)) == {"block3_16", "block0_4"}
        assert generator.features(z, [], "z", label=0) == {}
        assert set(generator.features(z, [], "z", with_image=True, label=0)) == {"image"}

    def test_bfloat16_images_are_near_those_in_float32(self):
        exact, rounded = small_biggan(), small_biggan().set_precision(torch.bfloat16)
        z = rows(exact)
        image = exact.synthesize(z, "z", label=1)
        assert rounded.synthesize(z, "z", label=1).dtype == torch.float32
        assert float((rounded.synthesize(z, "z", label=1) - image).square().mean().sqrt() / image.std()) < 0.05

    def test_compat_counts_between_the_rows_only(self):
        ours, official = small_biggan(), small_biggan().set_compat("official")
        z = rows(ours)
        for truncation, same in ((0.5, True), (1.0, True), (0.6, False)):
            images = [one.synthesize(z, "z", label=1, truncation=truncation) for one in (ours, official)]
            assert torch.equal(*images) == same
        with pytest.raises(LatentError, match="Compat 'both' is not known"):
            ours.set_compat("both")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"label": None}, "needs a label: a class from 0 to 3"),
            ({"label": 4}, "Label 4 does not exist: this generator has classes 0-3"),
            ({"label": (0, 1)}, "does not fit 3 codes"),
            ({"label": "tench"}, "no names"),
            ({"truncation": 0.0}, "give a number above 0, at most 1"),
            ({"truncation": 1.5}, "A truncation of 1.5 is not possible"),
            ({"truncation": float("nan")}, "A truncation of nan is not possible"),
            ({"noise": "random"}, "has no noise maps"),
            ({"noise": torch.Generator()}, "leave noise out"),
            ({"space": "w"}, "Space 'w' does not exist here: this generator has z"),
            ({"codes": torch.zeros(3, 7)}, "do not lie in space z"),
            ({"codes": torch.zeros(3, 6).double()}, "convert them first"),
        ],
    )
    def test_impossible_conditions_are_refused(self, arguments: dict, message: str):
        with pytest.raises(LatentError, match=message):
            small_biggan().synthesize(**{"codes": torch.zeros(3, 6), "space": "z", "label": 0} | arguments)

    def test_map_is_refused(self):
        with pytest.raises(LatentError, match="has space z only"):
            small_biggan().map(torch.zeros(1, 6), "w")
        with pytest.raises(LatentError, match="Feature map 'b8' does not exist: this generator has block0_4"):
            small_biggan().features(torch.zeros(1, 6), ["b8"], "z", label=0)


class TestImageNet:
    def test_the_names_are_a_thousand_different_ones(self):
        names = imagenet_names()
        assert len({name.casefold() for name in names}) == 1000
        assert [names[i] for i in (0, 1, 134, 207, 281, 388, 517, 562, 963, 999)] == [
            *("tench", "goldfish", "crane (bird)", "golden retriever", "tabby", "giant panda", "crane (machine)"),
            *("fountain", "pizza", "toilet tissue"),
        ]

    def test_classes_go_by_name(self):
        generator = small_biggan(replace(SMALL, label_dim=1000))
        z = rows(generator, 2)
        named = generator.synthesize(z, "z", label=["Golden Retriever", "goldfish"])
        torch.testing.assert_close(named, generator.synthesize(z, "z", label=[207, 1]))
        with pytest.raises(LatentError, match="golden retriever"):
            generator.synthesize(z, "z", label="golden retreiver")


class TestArchitecture:
    @pytest.mark.parametrize(("size", "published"), [(128, 50_388_609), (256, 55_880_833), (512, 56_163_905)])
    def test_parameters_are_as_many_as_published(self, size: int, published: int):
        with torch.device("meta"):
            generator = BigGAN(BigGANArchitecture.standard(size))
        never_seen = 125 * (128 * 9 + 1)  # colors beyond the third
        assert sum(parameter.numel() for parameter in generator.parameters()) + never_seen == published
        assert "attention_64" in generator.feature_names

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"resolution": 32}, "2 doublings do not make images of 32 pixels"),
            ({"channels": (32, 32, 16, 8)}, "4 blocks and 4 widths"),
            ({"channels": (32, 32, 16, 64, 8)}, "never adds channels"),
            ({"channels": (32, 32, 16, 16, 0)}, "whole numbers"),
            ({"attention": 9}, "Attention after 9 blocks"),
            ({"attention": True}, "Attention after True blocks"),
            ({"attention": 2, "channels": (32, 32, 4, 4, 4)}, "8 channels at least"),
            ({"statistics": 1}, "two statistics"),
            ({"epsilon": 0.0}, "epsilon"),
            ({"z_dim": 10**9}, "whole numbers from 1"),
        ],
    )
    def test_impossible_architectures_are_refused(self, changed: dict, message: str):
        with pytest.raises(CheckpointError, match=message):
            replace(SMALL, **changed)

    def test_standard_refuses_unpublished_sizes(self):
        with pytest.raises(CheckpointError, match="give 128, 256 or 512"):
            BigGANArchitecture.standard(64)
