"""StyleGAN2 against the published implementation's outputs, against itself, and against automatic differentiation."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ganvas.checkpoints.load import load
from ganvas.checkpoints.own_format import save_generator
from ganvas.errors import LatentError
from ganvas.generators import batch_splitting
from ganvas.generators import crops as windows
from ganvas.generators.crops import Crop
from ganvas.generators.protocol import About
from ganvas.generators.stylegan2.architecture import Kind
from ganvas.generators.stylegan2.layers import StyledConvolution, ToImage
from tests.generators.derivatives import check_linearize
from tests.generators.small import small_stylegan2

KINDS: tuple[Kind, ...] = ("skip", "resnet", "orig")


@pytest.mark.slow
@pytest.mark.float32
@pytest.mark.parametrize("name", ["stylegan2", "stylegan2-conditional", "stylegan2-resnet", "stylegan2-orig"])
def test_images_equal_those_of_the_published_code(shared: Path, name: str) -> None:
    generator = load(shared / "conformance" / f"{name}.pkl")
    expected = {key: torch.from_numpy(value) for key, value in np.load(shared / "conformance" / f"{name}.npz").items()}
    label = expected["c"].float() if expected.get("c", torch.zeros(0, 0)).shape[1] else None
    z = generator.sample([0, 1, 2])
    assert torch.equal(z, expected["z"])

    def check(image: torch.Tensor, key: str) -> None:
        assert (image - expected[key]).abs().max() < 1e-4 * expected[key].std()

    for psi in (1.0, 0.7):
        ws = generator.map(z, label=label, truncation=psi)
        torch.testing.assert_close(ws, expected[f"ws_psi{psi}"], rtol=1e-5, atol=1e-5)
        check(generator.synthesize(ws, "w+"), f"image_psi{psi}")
    ws = generator.map(z, label=label)
    check(generator.synthesize(ws, "w+", noise="none"), "image_nonoise_psi1.0")
    ws = ws.clone()
    ws[:, 3:5] += 0.5
    check(generator.synthesize(ws, "w+"), "image_layers3to5_plus0.5")


def test_modulating_activations_equals_modulating_weights() -> None:
    """Eq. 1-3 of the paper literally, sample by sample, as second implementation of the styled convolution."""
    torch.manual_seed(0)
    layer = StyledConvolution(3, 4, 6, 8, up=False, clamp=None, gain=1.0, noise=True).double().requires_grad_(False)
    layer.noise_strength.fill_(0.4)
    layer.bias.normal_()
    x, style = torch.randn(2, 3, 8, 8).double(), torch.randn(2, 3).double()
    rows = []
    for i in range(2):
        weight = layer.weight * style[i, None, :, None, None]
        weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        y = F.conv2d(x[i : i + 1], weight, padding=1) + 0.4 * layer.noise + layer.bias[:, None, None]
        rows.append(F.leaky_relu(y, 0.2) * 2**0.5)
    torch.testing.assert_close(layer(x, style, layer.noise_map(), torch.ones(4, 4).double()), torch.cat(rows))


def test_colors_are_a_modulated_pointwise_convolution() -> None:
    torch.manual_seed(0)
    layer = ToImage(3, 6, clamp=None).double().requires_grad_(False)
    x, style = torch.randn(2, 3, 8, 8).double(), torch.randn(2, 3).double()
    expected = [F.conv2d(x[i : i + 1], layer.weight * style[i, None, :, None, None] / 3**0.5) for i in range(2)]
    torch.testing.assert_close(layer(x, style), torch.cat(expected))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("clamp", [None, 0.7])
@pytest.mark.parametrize("layers", [None, (1, 2), (5,)])
def test_linearize_equals_automatic_forward_mode(
    kind: Kind, clamp: float | None, layers: tuple[int, ...] | None
) -> None:
    generator = small_stylegan2(16, kind, clamp=clamp, dtype=torch.float64)
    check_linearize(generator, "w+", layers, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("space", ["w", "s"])
def test_linearize_in_w_and_s_equals_forward_mode(space: str) -> None:
    check_linearize(small_stylegan2(8, dtype=torch.float64), space, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_forwards_and_backwards(kind: Kind) -> None:
    generator = small_stylegan2(8, kind, width=3, channels=2, dtype=torch.float64)
    ws = torch.randn(1, generator.layers, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    assert torch.autograd.gradcheck(
        lambda codes: generator.synthesize(codes, "w+"), (ws.requires_grad_(),), check_forward_ad=True
    )


@pytest.mark.slow
@pytest.mark.float32
def test_splitting_a_batch_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = small_stylegan2(32)
    ws = generator.map(generator.sample(range(7)))
    _, push = generator.linearize(ws[:1], "w+")
    whole = generator.synthesize(ws, "w+"), push(ws)
    monkeypatch.setattr(batch_splitting, "CACHE_BYTES", 3000)
    with torch.no_grad():
        torch.testing.assert_close(generator.synthesize(ws, "w+"), whole[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(push(ws), whole[1], rtol=1e-5, atol=1e-5)


def test_zero_tangents_give_zero_images() -> None:
    generator = small_stylegan2(8, "orig")
    _, push = generator.linearize(generator.map(generator.sample([0])), "w+", layers=())
    assert torch.equal(push(torch.zeros(2, 4, 6)), torch.zeros(2, 3, 8, 8))


def test_a_code_gives_one_image_in_every_space() -> None:
    generator = small_stylegan2(16)
    z = generator.sample([5, 6])
    by_w_plus = generator.synthesize(generator.map(z, truncation=0.6), "w+")
    torch.testing.assert_close(generator.synthesize(z, "z", truncation=0.6), by_w_plus)
    torch.testing.assert_close(generator.synthesize(generator.map(z, "w", truncation=0.6), "w"), by_w_plus)
    torch.testing.assert_close(generator.synthesize(generator.map(z, "s", truncation=0.6), "s"), by_w_plus)


@pytest.mark.float32
def test_a_row_is_the_same_in_every_batch() -> None:
    generator = small_stylegan2(16)
    ws = generator.map(generator.sample([1, 2, 3]))
    torch.testing.assert_close(
        generator.synthesize(ws, "w+")[1:2], generator.synthesize(ws[1:2], "w+"), rtol=1e-5, atol=1e-6
    )


def test_truncation_of_some_layers_leaves_the_others() -> None:
    generator = small_stylegan2(16)
    z = generator.sample([1])
    full, none = generator.map(z, truncation=0.5), generator.map(z)
    some = generator.map(z, truncation=0.5, truncation_layers=2)
    assert torch.equal(some[:, :2], full[:, :2])
    assert torch.equal(some[:, 2:], none[:, 2:])


def test_resuming_from_a_feature_map_gives_its_image() -> None:
    generator = small_stylegan2(32, "skip")
    ws = generator.map(generator.sample([3]))
    found = generator.features(ws, ["b8", "b16"], "w+", with_image=True)
    assert {name: tuple(value.shape[1:]) for name, value in found.items()} == {
        "b8": (5, 8, 8),
        "b16": (5, 16, 16),
        "image": (3, 32, 32),
    }
    assert found.keys() - generator.features(ws, ["b8", "b16"], "w+").keys() == {"image"}
    torch.testing.assert_close(generator.resume("b16", found["b16"], ws, "w+"), generator.synthesize(ws, "w+"))
    moved = generator.resume("b16", found["b16"].roll(4, dims=3), ws, "w+")
    assert (moved - found["image"]).abs().mean() > 0.01


def test_features_stop_at_the_finest_one_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = small_stylegan2(16)
    monkeypatch.setattr(generator.synthesis.blocks["b16"], "forward", lambda *_: pytest.fail("b16 was computed"))
    generator.features(generator.map(generator.sample([0])), ["b8", "b4"], "w+")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_part_of_a_map_equals_the_same_part_of_the_whole(kind: Kind) -> None:
    generator = small_stylegan2(64, kind).double()
    ws = generator.map(generator.sample([3, 4]).double())
    noise = {"b16.conv0": torch.randn(2, 1, 16, 16).double(), "b32.conv1": torch.ones(1, 1, 1, 1).double()}
    whole = generator.features(ws, ["b32"], "w+", noise=noise)["b32"]
    edges = (0, 1, 2, 3, 12, 13, 20, 29, 31, 32)
    for top, bottom in itertools.combinations(edges, 2):
        for window in (Crop(top, 5, bottom, 24), Crop(7, top, 8, bottom), Crop(top, top, bottom, bottom)):
            part = generator.feature_part(ws, "b32", window, "w+", noise=noise)
            torch.testing.assert_close(part, whole[..., *window.slices], rtol=1e-10, atol=1e-12)
    assert generator.feature_part(ws, "b4", Crop(1, 0, 9, 2), "w+").shape[2:] == (2, 3)


def test_a_smaller_halo_would_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = small_stylegan2(32).double()
    ws = generator.map(generator.sample([3]).double())
    whole, window = generator.features(ws, ["b32"], "w+")["b32"], Crop(10, 10, 20, 20)
    monkeypatch.setattr(windows, "HALO", 1)
    part = generator.feature_part(ws, "b32", window, "w+")
    assert (part - whole[..., *window.slices]).abs().max() > 1e-3


def test_the_derivative_of_a_part_is_that_of_the_whole() -> None:
    generator, window = small_stylegan2(32).double(), Crop(3, 9, 14, 21)
    ws = generator.map(generator.sample([5]).double()).requires_grad_()
    whole = generator.features(ws, ["b32"], "w+")["b32"][..., *window.slices]
    (wanted,) = torch.autograd.grad(whole.square().sum(), ws)
    (found,) = torch.autograd.grad(generator.feature_part(ws, "b32", window, "w+").square().sum(), ws)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)


def test_weights_are_stored_as_convolutions_read_them(tmp_path: Path) -> None:
    made = small_stylegan2(16)
    loaded = load(save_generator(tmp_path / "small.safetensors", made, About("small", "")))
    for _, layer in (*made.synthesis.convolutions(), *loaded.synthesis.convolutions()):
        read = layer.weight.transpose(0, 1) if layer.up else layer.weight
        assert read.is_contiguous(memory_format=torch.channels_last)


def test_noise_is_constant_absent_given_or_drawn() -> None:
    generator = small_stylegan2(16)
    ws = generator.map(generator.sample([0]))
    const, none = generator.synthesize(ws, "w+"), generator.synthesize(ws, "w+", noise="none")
    assert (const - none).abs().max() > 0.01
    first = generator.synthesize(ws, "w+", noise=torch.Generator().manual_seed(1))
    assert torch.equal(first, generator.synthesize(ws, "w+", noise=torch.Generator().manual_seed(1)))
    assert not torch.equal(first, const)
    for shape in ((1, 1, 1, 1), ()):
        silent = {name: torch.zeros(shape) for name, _ in generator.synthesis.convolutions()}
        torch.testing.assert_close(generator.synthesize(ws, "w+", noise=silent), none)


def test_noise_maps_replace_only_the_named_ones() -> None:
    generator = small_stylegan2(16)
    ws = generator.map(generator.sample([0]))
    own = generator.synthesis.blocks["b8"].conv1.noise_map()
    torch.testing.assert_close(generator.synthesize(ws, "w+", noise={"b8.conv1": own}), generator.synthesize(ws, "w+"))


def test_labels_choose_the_class() -> None:
    generator = small_stylegan2(8, label_dim=3)
    z = generator.sample([0, 1])
    by_number = generator.map(z, label=2)
    assert torch.equal(by_number, generator.map(z, label=[2, 2]))
    assert torch.equal(by_number, generator.map(z, label=torch.tensor([[0.0, 0, 1], [0, 0, 1]])))
    assert not torch.equal(by_number, generator.map(z, label=1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g.map(g.sample([0]), label=1), "no classes"),
        (lambda g: g.map(torch.zeros(1, 3)), r"\[n, 7\]"),
        (lambda g: g.map(g.sample([0]), "v"), "has w, w\\+, s"),
        (lambda g: g.synthesize(torch.zeros(1, 6), "w+"), r"\[n, 4, 6\]"),
        (lambda g: g.synthesize(torch.zeros(1, 6), "w", noise="loud"), "'const', 'none'"),
        (lambda g: g.synthesize(torch.zeros(1, 6), "w", noise={"b9.conv1": torch.zeros(1)}), "b4.conv1, b8.conv0"),
        (lambda g: g.features(torch.zeros(1, 6), ["b512"], "w"), "this generator has b4, b8"),
        (lambda g: g.linearize(torch.zeros(2, 6), "w"), "one code; 2"),
        (lambda g: g.map(g.sample([0]), "w", truncation=0.5, truncation_layers=2), "'w\\+' instead"),
        (lambda g: g.sample([-1]), "Seed -1"),
    ],
)
def test_errors_say_what_is_allowed(call, message: str) -> None:
    with pytest.raises(LatentError, match=message):
        call(small_stylegan2(8))


def test_wrong_labels_are_named() -> None:
    generator = small_stylegan2(8, label_dim=3)
    cases = (
        (None, "class from 0 to 2"),
        (3, "classes 0-2"),
        (torch.zeros(1, 2), r"\[1, 3\]"),
        ([0, 1], "one for each code"),
        ([], "one for each code"),
    )
    for label, message in cases:
        with pytest.raises(LatentError, match=message):
            generator.map(generator.sample([0]), label=label)


@pytest.mark.slow
def test_bfloat16_is_close_to_float32() -> None:
    exact, rough = load("faces"), load("faces", dtype=torch.bfloat16)
    ws = exact.map(exact.sample(range(4)), truncation=0.7)
    difference = rough.synthesize(ws, "w+") - exact.synthesize(ws, "w+")
    assert difference.dtype == torch.float32
    assert difference.square().mean().sqrt() < 0.01
    assert difference.abs().max() < 0.1


def test_every_size_from_4_to_64_pixels_makes_images() -> None:
    for resolution in (4, 8, 64):
        generator = small_stylegan2(resolution)
        assert generator.layers == 2 * resolution.bit_length() - 4
        assert generator.synthesize(generator.sample([0]), "z").shape == (1, 3, resolution, resolution)


def test_noise_maps_of_wrong_sizes_are_named() -> None:
    generator = small_stylegan2(16)
    ws = generator.map(generator.sample([0, 1]))
    for wrong in ((5, 5), (3, 1, 8, 8), (2, 2, 8, 8)):
        with pytest.raises(LatentError, match=r"Noise map 'b8.conv1' has shape"):
            generator.synthesize(ws, "w+", noise={"b8.conv1": torch.zeros(wrong)})
    one_each = generator.synthesize(ws, "w+", noise={"b8.conv1": torch.zeros(2, 1, 8, 8)})
    torch.testing.assert_close(generator.synthesize(ws, "w+", noise={"b8.conv1": torch.zeros(8, 8)}), one_each)


@pytest.mark.parametrize("gradients", [True, False])
def test_one_noise_map_is_that_of_every_sample(gradients: bool) -> None:
    generator = small_stylegan2(16)
    ws = torch.randn(3, 6, 6)
    flat = torch.randn(8, 8)
    with torch.set_grad_enabled(gradients):
        images = generator.synthesize(ws, "w+", noise={"b8.conv1": flat})
        each = generator.synthesize(ws, "w+", noise={"b8.conv1": flat.expand(3, 1, 8, 8)})
    torch.testing.assert_close(images, each)


def test_a_generator_without_noise_takes_none() -> None:
    generator = small_stylegan2(16, noise=False)
    ws = generator.map(generator.sample([0]))
    torch.testing.assert_close(generator.synthesize(ws, "w+", noise=torch.Generator()), generator.synthesize(ws, "w+"))
    with pytest.raises(LatentError, match="this generator has none"):
        generator.synthesize(ws, "w+", noise={"b8.conv1": torch.zeros(8, 8)})


def test_codes_of_another_precision_are_refused() -> None:
    with pytest.raises(LatentError, match="convert them first"):
        small_stylegan2(8).map(torch.zeros(1, 7, dtype=torch.float64))


@pytest.mark.slow
def test_a_bfloat16_generator_resumes_from_float32_maps() -> None:
    generator = load("faces", dtype=torch.bfloat16)
    ws = generator.map(generator.sample([0]))
    found = generator.features(ws, ["b32"], "w+", with_image=True)
    torch.testing.assert_close(generator.resume("b32", found["b32"].float(), ws, "w+"), found["image"])


def test_the_energy_of_a_frozen_weight_follows_every_change_of_the_weight():
    layer = small_stylegan2(16).synthesis.convolutions()[1][1]

    def check() -> None:
        expected = layer.weight.float().square().sum(dim=(2, 3)).T
        assert torch.equal(layer.weight_energy(), expected)
        assert torch.equal(layer.weight_energy(), expected)

    check()
    layer.weight.mul_(2)
    check()
    layer.weight = torch.nn.Parameter(layer.weight * 3, requires_grad=False)
    check()
    layer.double()
    assert torch.equal(layer.weight_energy(), layer.weight.square().sum(dim=(2, 3)).T)
    layer.weight.requires_grad_(True)
    assert layer.weight_energy().requires_grad
