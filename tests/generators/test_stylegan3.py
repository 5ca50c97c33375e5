"""StyleGAN3 against the published implementation's outputs, against its symmetries, and against automatic
differentiation.
"""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ganvas.checkpoints.families import FAMILIES
from ganvas.checkpoints.load import load
from ganvas.errors import CheckpointError, LatentError
from ganvas.generators.protocol import About, Generator, HasMargins, HasStyles, Linearizable, feature_extent
from ganvas.generators.stylegan3 import synthesis as stylegan3_synthesis
from ganvas.generators.stylegan3.architecture import LayerShape, StyleGAN3Architecture
from ganvas.generators.stylegan3.generator import StyleGAN3
from ganvas.generators.stylegan3.input import moved_waves, placement
from ganvas.generators.stylegan3.synthesis import Layer
from ganvas.latents.spaces import to_space
from tests.fakes import LinearGenerator
from tests.generators.derivatives import check_linearize
from tests.generators.small_stylegan3 import small_stylegan3

pytestmark = pytest.mark.usefixtures("one_thread")


def read_vectors(path: Path) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(value) for key, value in np.load(path).items()}


def error(image: torch.Tensor, expected: torch.Tensor) -> float:
    return float((image - expected).abs().max() / expected.std())


@pytest.mark.slow  # the default suite holds the same vectors in tests/checkpoints/test_conformance.py
@pytest.mark.parametrize("kind", ["t", "r"])
def test_images_equal_those_of_the_published_code(shared: Path, kind: str) -> None:
    generator = load(shared / "conformance" / f"stylegan3-{kind}.pkl")
    assert isinstance(generator, StyleGAN3)
    expected = read_vectors(shared / "conformance" / f"stylegan3-{kind}.npz")
    z = generator.sample([0, 1, 2])
    assert torch.equal(z, expected["z"])
    for psi in (1.0, 0.7):
        ws = generator.map(z, truncation=psi)
        torch.testing.assert_close(ws, expected[f"ws_psi{psi}"], rtol=1e-5, atol=1e-5)
        assert error(generator.synthesize(ws, "w+"), expected[f"image_psi{psi}"]) < 1e-4
    ws = generator.map(z)
    moved = generator.transformed(expected["inverse_transform"].double().inverse())
    assert error(moved.synthesize(ws, "w+"), expected["image_transformed_psi1.0"]) < 1e-4
    ws = ws.clone()
    ws[:, 3:5] += 0.5
    assert error(generator.synthesize(ws, "w+"), expected["image_layers3to5_plus0.5"]) < 1e-4


@pytest.mark.slow
@pytest.mark.float32
@pytest.mark.parametrize("kind", ["t", "r"])
def test_images_equal_those_of_hammer(shared: Path, kind: str) -> None:
    generator = load(shared / "conformance" / f"genforce-stylegan3-{kind}.pth")
    expected = read_vectors(shared / "conformance" / f"genforce-stylegan3-{kind}.npz")
    ws = generator.map(expected["z"])
    torch.testing.assert_close(ws[:, 0], expected["w"], rtol=1e-5, atol=1e-5)
    assert error(generator.synthesize(ws, "w+"), expected["image_psi1"]) < 1e-4
    some = generator.map(expected["z"], truncation=0.7, truncation_layers=8)
    assert error(generator.synthesize(some, "w+"), expected["image_psi07_layers0to8"]) < 1e-4
    ws = ws.clone()
    ws[:, 3:5] += 0.5
    assert error(generator.synthesize(ws, "w+"), expected["image_layers3to5_plus0.5"]) < 1e-4


def test_the_published_examples_have_the_published_layers() -> None:
    channels = (512,) * 7 + (323, 203, 128, 81, 51, 32, 32)
    assert StyleGAN3Architecture.published(1024, radial=False) == StyleGAN3Architecture(
        1024, channels, 3, False, 512, 512, (512, 512)
    )
    with torch.device("meta"):
        generator = StyleGAN3(StyleGAN3Architecture.published(1024, radial=False))
    assert generator.feature_names == (
        *("L0_36_512", "L1_36_512", "L2_52_512", "L3_52_512", "L4_84_512", "L5_148_512", "L6_148_512", "L7_276_323"),
        *("L8_276_203", "L9_532_128", "L10_1044_81", "L11_1044_51", "L12_1044_32", "L13_1024_32", "L14_1024_3"),
    )
    assert generator.layers == 16


@pytest.mark.parametrize(
    ("resolution", "radial", "count"),
    [
        (1024, False, 22_313_167),
        (1024, True, 15_093_151),
        (512, False, 24_873_519),
        (512, True, 16_665_594),
        (256, False, 23_320_443),
        (256, True, 15_779_565),
    ],
)
def test_the_published_examples_have_the_published_number_of_parameters(
    resolution: int, radial: bool, count: int
) -> None:
    with torch.device("meta"):
        generator = StyleGAN3(StyleGAN3Architecture.published(resolution, radial))
    assert sum(parameter.numel() for parameter in generator.parameters()) == count


def test_a_stylegan3_layer_is_its_formula() -> None:
    """Normalize, modulate, demodulate literally, row by row, as second implementation of the modulated convolution."""
    torch.manual_seed(0)
    shape = LayerShape(4, 3, 3, 36, 36, 16, 16, 2.0, 2.0, 6.0, 6.0, 2, False)
    layer = Layer(shape, 5, clamp=None).double().requires_grad_(False)
    layer.magnitude.fill_(0.6)
    layer.bias.normal_()
    x, style = torch.randn(1, 4, 9, 9).double(), torch.randn(1, 4).double()
    weight = layer.weight * layer.weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
    weight = weight * (style * style.square().mean().rsqrt())[0, None, :, None, None][0]
    weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
    expected = F.conv2d(x / 0.6**0.5, weight, layer.bias, padding=2)
    found = layer.convolve(x, style[0] * layer.scale(style)[0][:, None], layer.bias)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)


def test_a_style_of_any_length_gives_the_same_map() -> None:
    """Demodulation undoes the length of a style, also of one so short that an absolute epsilon would show."""
    generator = small_stylegan3(dtype=torch.float64)
    _, layer = generator.synthesis.named_layers()[2]
    shape = layer.shape
    x = torch.randn(1, shape.channels_in, shape.size_in, shape.size_in, dtype=torch.float64)
    style = torch.randn(1, shape.channels_in, dtype=torch.float64)
    for length in (1e-9, 1e-3, 1e6):
        torch.testing.assert_close(layer(x, style * length), layer(x, style))


@pytest.mark.slow
@pytest.mark.parametrize("radial", [False, True])
@pytest.mark.parametrize("clamp", [256.0, 0.7])
@pytest.mark.parametrize("layers", [None, (0,), (2, 3), (5,)])
def test_linearize_equals_automatic_forward_mode(radial: bool, clamp: float, layers: tuple[int, ...] | None) -> None:
    generator = small_stylegan3(kernel=1 if radial else 3, radial=radial, clamp=clamp, dtype=torch.float64)
    check_linearize(generator, "w+", layers, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("space", ["w", "s"])
def test_linearize_in_w_and_s_equals_forward_mode(space: str) -> None:
    check_linearize(small_stylegan3(dtype=torch.float64), space, rtol=1e-8, atol=1e-11)


def test_derivative_of_a_moved_image_by_differences() -> None:
    generator = small_stylegan3(dtype=torch.float64).transformed(rotate=20.0, translate=(0.1, -0.05))
    random = torch.Generator().manual_seed(4)
    ws = torch.randn(1, generator.layers, 5, dtype=torch.float64, generator=random)
    tangent = torch.randn(1, generator.layers, 5, dtype=torch.float64, generator=random)
    _, push = generator.linearize(ws, "w+")
    step = 1e-6
    differences = (
        generator.synthesize(ws + step * tangent, "w+") - generator.synthesize(ws - step * tangent, "w+")
    ) / (2 * step)
    scale = differences.abs().max()
    torch.testing.assert_close(push(tangent) / scale, differences / scale, rtol=0, atol=1e-4)


def test_backward_gradients_equal_the_derivative() -> None:
    generator = small_stylegan3(16, layers=3, width=2, dtype=torch.float64)
    ws = torch.randn(1, generator.layers, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    weights = torch.randn(3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    ws.requires_grad_()
    (gradient,) = torch.autograd.grad((generator.synthesize(ws, "w+") * weights).sum(), ws)
    _, push = generator.linearize(ws.detach(), "w+")
    basis = torch.eye(ws.numel(), dtype=torch.float64).unflatten(1, ws.shape[1:])
    torch.testing.assert_close(gradient.flatten(), (push(basis) * weights).sum(dim=(1, 2, 3)), rtol=1e-8, atol=1e-10)


@pytest.mark.float32
def test_tangents_pushed_in_parts_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = small_stylegan3()
    ws = generator.map(generator.sample(range(5)))
    _, push = generator.linearize(ws[:1], "w+")
    whole = push(ws)
    monkeypatch.setattr(stylegan3_synthesis, "PUSHED_BYTES", 1)
    _, push = generator.linearize(ws[:1], "w+")
    torch.testing.assert_close(push(ws), whole, rtol=1e-4, atol=1e-5)
    assert push(ws[:0]).shape == (0, 3, 32, 32)
    _, push = generator.linearize(ws[:1], "w+", layers=())
    assert not push(ws).any()


def test_a_turned_r_network_paints_the_turned_image() -> None:
    """By quarter turns all grids, filters and margins of an R network fall on themselves: equal to rounding."""
    generator = small_stylegan3(kernel=1, radial=True, dtype=torch.float64)
    ws = generator.map(generator.sample([0]).double())
    image = generator.synthesize(ws, "w+")
    for turns in (1, 2, 3):
        turned = generator.transformed(rotate=90.0 * turns).synthesize(ws, "w+")
        torch.testing.assert_close(turned, image.rot90(turns, dims=(2, 3)))
    assert error(image.rot90(1, dims=(2, 3)), image) > 1


@pytest.mark.parametrize("radial", [False, True])
def test_a_moved_network_paints_the_moved_image(radial: bool) -> None:
    """By sixteenths of the width every map moves by whole samples: equal but for what comes in from the borders."""
    generator = small_stylegan3(64, kernel=1 if radial else 3, radial=radial, layers=8, margin=10, dtype=torch.float64)
    ws = generator.map(generator.sample([1]).double())
    moved = generator.transformed(translate=(1 / 16, -2 / 16)).synthesize(ws, "w+")
    image = generator.synthesize(ws, "w+")
    expected = image.roll((-8, 4), dims=(2, 3))
    inside = (..., slice(8, -16), slice(12, -8))
    assert error(moved[inside], expected[inside]) < 0.02
    assert error(moved[inside], image[inside]) > 0.3


def test_transforms_follow_one_another() -> None:
    generator = small_stylegan3()
    ws = generator.map(generator.sample([0]))
    both = generator.transformed(rotate=30.0).transformed(translate=(0.2, 0.1))
    at_once = generator.transformed(rotate=30.0, translate=(0.2, 0.1))
    torch.testing.assert_close(both.synthesize(ws, "w+"), at_once.synthesize(ws, "w+"))
    back = both.transformed(at_once.transform.inverse())
    torch.testing.assert_close(back.synthesize(ws, "w+"), generator.synthesize(ws, "w+"), rtol=1e-4, atol=1e-4)
    assert torch.equal(generator.transform, placement())
    assert both.synthesis is generator.synthesis


def test_waves_move_with_the_image() -> None:
    """What the moved waves show at a point's new place is what the unmoved ones show at its old place."""
    random = torch.Generator().manual_seed(7)
    frequencies, phases = torch.randn(6, 2, generator=random).double(), torch.randn(6, generator=random).double()
    matrix = placement(25.0, (0.3, -0.1))
    steering = torch.tensor([[2.0, 0, 0, 0]]).double()
    f, p = moved_waves(steering, frequencies, phases, matrix.inverse())
    old = torch.tensor([0.21, 0.4, 1.0]).double()
    new = matrix @ old
    torch.testing.assert_close((f[0] @ new[:2] + p[0]).sin(), (frequencies @ old[:2] + phases).sin())


@pytest.mark.parametrize("name", ["L0", "L1", "L3"])
def test_a_point_of_the_image_lies_where_the_extent_says(name: str) -> None:
    """A bump put into a map appears in the image at the place of that sample."""
    generator = small_stylegan3(64, kernel=1, radial=True)
    name = next(feature for feature in generator.feature_names if feature.startswith(f"{name}_"))
    ws = generator.map(generator.sample([0]))
    found = generator.features(ws, [name], "w+", with_image=True)
    left, top, right, bottom = feature_extent(generator, name)
    size = found[name].shape[-1]
    for x, y in ((0.5, 0.5), (0.3, 0.7)):
        column = min(int((x - left) / (right - left) * size), size - 1)
        row = min(int((y - top) / (bottom - top) * size), size - 1)
        bumped = found[name].clone()
        bumped[:, :, row, column] += 3
        change = (generator.resume(name, bumped, ws, "w+") - found["image"]).square().sum(dim=(0, 1))
        centers = (torch.arange(64) + 0.5) / 64
        where = (
            float((change.sum(dim=0) * centers).sum() / change.sum()),
            float((change.sum(dim=1) * centers).sum() / change.sum()),
        )
        exact = (left + (column + 0.5) * (right - left) / size, top + (row + 0.5) * (bottom - top) / size)
        assert math.dist(where, exact) < max((right - left) / size / 2, 1.5 / 64)


def test_margins_widen_the_extent_of_feature_maps() -> None:
    generator = small_stylegan3(64, margin=10)
    assert isinstance(generator, HasMargins)
    assert feature_extent(generator, generator.feature_names[0]) == (-0.625, -0.625, 1.625, 1.625)
    assert feature_extent(generator, generator.feature_names[-1]) == (0, 0, 1, 1)
    assert feature_extent(LinearGenerator(), "paint") == (0, 0, 1, 1)


def test_stylegan3_satisfies_the_protocol() -> None:
    generator = small_stylegan3()
    assert isinstance(generator, Generator)
    assert isinstance(generator, Linearizable)
    assert isinstance(generator, HasStyles)
    assert generator.style_channels() == [4, *(shape.channels_in for shape in generator.architecture.shapes)]


def test_a_code_gives_one_image_in_every_space() -> None:
    generator = small_stylegan3()
    z = generator.sample([5, 6])
    by_w_plus = generator.synthesize(generator.map(z, truncation=0.6), "w+")
    torch.testing.assert_close(generator.synthesize(z, "z", truncation=0.6), by_w_plus)
    torch.testing.assert_close(generator.synthesize(generator.map(z, "w", truncation=0.6), "w"), by_w_plus)
    torch.testing.assert_close(generator.synthesize(generator.map(z, "s", truncation=0.6), "s"), by_w_plus)
    styles = to_space(generator, generator.map(z, truncation=0.6), "w+", "s")
    torch.testing.assert_close(generator.synthesize(styles, "s"), by_w_plus)


def test_a_row_is_the_same_in_every_batch() -> None:
    generator = small_stylegan3()
    ws = generator.map(generator.sample([1, 2, 3])).clone()
    ws[0] *= 100  # the published style normalization would let this row change the others
    torch.testing.assert_close(
        generator.synthesize(ws, "w+")[1:2], generator.synthesize(ws[1:2], "w+"), rtol=1e-5, atol=1e-5
    )


def test_resuming_from_a_feature_map_gives_its_image() -> None:
    generator = small_stylegan3(64)
    ws = generator.map(generator.sample([3, 4]))
    names = generator.feature_names[1], generator.feature_names[3]
    found = generator.features(ws, names, "w+", with_image=True)
    assert set(found) == {*names, "image"}
    torch.testing.assert_close(found["image"], generator.synthesize(ws, "w+"))
    for name in names:
        _, size, channels = name.split("_")
        assert found[name].shape == (2, int(channels), int(size), int(size))
        torch.testing.assert_close(generator.resume(name, found[name], ws, "w+"), found["image"])
    last = generator.feature_names[-1]
    torch.testing.assert_close(generator.features(ws, [last], "w+")[last] * 0.25, found["image"])
    assert generator.features(ws, [], "w+") == {}


def test_features_stop_at_the_finest_one_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = small_stylegan3()
    for layer in list(generator.synthesis.layers)[2:]:
        monkeypatch.setattr(layer, "forward", lambda *_: pytest.fail("a layer above was computed"))
    generator.features(generator.map(generator.sample([0])), [generator.feature_names[1]], "w+")


def test_labels_choose_the_class() -> None:
    generator = small_stylegan3(label_dim=3)
    z = generator.sample([0, 1])
    assert torch.equal(generator.map(z, label=2), generator.map(z, label=[2, 2]))
    assert not torch.equal(generator.map(z, label=2), generator.map(z, label=1))


@pytest.mark.slow
def test_bfloat16_is_close_to_float32(shared: Path) -> None:
    exact, rough = (load(shared / "conformance" / "stylegan3-t.pkl", dtype=t) for t in (None, torch.bfloat16))
    ws = exact.map(exact.sample([0]))
    image = exact.synthesize(ws, "w+")
    difference = rough.synthesize(ws, "w+") - image
    assert difference.dtype == torch.float32
    assert difference.square().mean().sqrt() < 0.02 * image.std()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g.synthesize(torch.zeros(1, 6, 5), "w+", noise="loud"), "no noise maps"),
        (lambda g: g.synthesize(torch.zeros(1, 6, 5), "w+", noise={"L0": torch.zeros(1)}), "this generator has none"),
        (lambda g: g.features(torch.zeros(1, 6, 5), ["b32"], "w+"), "has L0_22_4, L1"),
        (
            lambda g: g.resume("L0_22_4", torch.zeros(1, 4, 21, 22), torch.zeros(1, 6, 5), "w+"),
            r"\[1, 4, 22, 22\] fits",
        ),
        (lambda g: g.extent("b4"), "does not exist"),
        (lambda g: g.transformed(torch.zeros(3, 3)), "last row"),
        (lambda g: g.transformed(torch.eye(2)), "3x3"),
        (lambda g: g.transformed(rotate=float("nan")), "finite"),
        (lambda g: g.linearize(torch.zeros(2, 5), "w"), "one code; 2"),
    ],
)
def test_errors_say_what_is_allowed(call, message: str) -> None:
    with pytest.raises(LatentError, match=message):
        call(small_stylegan3())


def test_an_architecture_survives_json() -> None:
    architecture = small_stylegan3(64, kernel=1, radial=True).architecture
    described = json.loads(json.dumps(dataclasses.asdict(architecture)))
    assert FAMILIES["stylegan3"].from_description(described) == architecture


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 48}, "2\\^n"),
        ({"resolution": 8}, "16 to 4096"),
        ({"channels": (4, 0, 4, 4)}, "whole numbers"),
        ({"channels": (4, 4)}, "at full bandwidth"),
        ({"kernel": 5}, "1 or 3"),
        ({"hidden": (7,)}, "mapping layers"),
        ({"label_dim": -1}, "classes"),
        ({"margin": 1000}, "margin"),
        ({"scale": float("nan")}, "numbers above 0"),
        ({"clamp": -1.0}, "numbers above 0"),
        ({"first_cutoff": 1e-300}, "do not rise"),
        ({"first_stopband": 1e300}, "do not rise"),
    ],
)
def test_impossible_architectures_are_refused(changes: dict, message: str) -> None:
    settings = {"resolution": 64, "channels": (4,) * 6, "kernel": 3, "radial": False, "z_dim": 5, "w_dim": 5}
    with pytest.raises(CheckpointError, match=message):
        StyleGAN3Architecture(**(settings | {"hidden": (5, 5)} | changes))


def test_a_moved_generator_goes_by_a_hash_of_its_own():
    generator = small_stylegan3()
    assert generator.transformed(rotate=1.0).about is None
    generator.about = About("small", "abc", {"hash": "of the original", "license": "none"})
    moved = generator.transformed(rotate=90.0)
    again = generator.transformed(rotate=90.0)
    assert moved.about is not None
    assert again.about is not None
    assert moved.about.hashes == again.about.hashes
    assert not set(moved.about.hashes) & set(generator.about.hashes)
    assert moved.about.source["license"] == "none"
    assert moved.about.source["transform"] == moved.transform.tolist()
