"""Generators below any nest and prefix, as state dicts and as whole modules: found, with the images that they made."""

import functools
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import ganvas
from ganvas.checkpoints.search import find_weights
from ganvas.errors import CheckpointError
from ganvas.generators.protocol import Generator
from tests.checkpoints import nvidia_layouts as nvidia
from tests.checkpoints import stylegan2_layouts as layouts
from tests.checkpoints.nvidia_layouts import as_module, prefixed, somebodys, spoilt, write
from tests.generators.small import small_stylegan2
from tests.generators.small_stylegan3 import small_stylegan3

Tensors = dict[str, Tensor]
pytestmark = pytest.mark.usefixtures("one_thread")


@functools.cache
def original(kind: str) -> Any:
    if kind == "stylegan3":
        return small_stylegan3(32, kernel=1, radial=True, margin=10)
    if kind == "stylegan3-t":
        return small_stylegan3(32, margin=6)
    return small_stylegan2(8, "resnet" if kind == "resnet" else "skip", label_dim=3 if kind == "classes" else 0)


def theirs(kind: str) -> Tensors:
    generator = original(kind)
    return nvidia.stylegan3(generator) if kind.startswith("stylegan3") else nvidia.stylegan2(generator)


def images(generator: Generator) -> Tensor:
    classes = getattr(generator.architecture, "label_dim", 0)
    with torch.no_grad():
        return generator.synthesize(generator.sample([0, 1]), "z", label=1 if classes else None, truncation=0.7)


def same(path: Path, kind: str) -> None:
    """Check that a file gives the images of the original, and its conversion too."""
    expected, read = images(original(kind)), ganvas.load(path)
    torch.testing.assert_close(images(read), expected, rtol=0, atol=1e-5)
    again = ganvas.load(ganvas.convert(path, path.with_name("converted.safetensors")))
    torch.testing.assert_close(images(again), expected, rtol=0, atol=1e-5)


PARTS = ("mapping", "synthesis")
NESTS: dict[str, Callable[[Tensors], object]] = {
    "bare": lambda t: t,
    "g_ema": lambda t: {"g": spoilt(t), "g_ema": t, "latent_avg": torch.zeros(4)},
    "G_ema of tensors": lambda t: {"G": spoilt(t), "G_ema": OrderedDict(t)},
    "params_ema": lambda t: {"params": spoilt(t), "params_ema": t},
    "state_dict": lambda t: {"epoch": 3, "state_dict": t},
    "generator": lambda t: {"discriminator": {"b4.conv.weight": torch.ones(2)}, "generator": t},
    "state.g": lambda t: {"state": {"g": t, "step": 5}},
    "a list": lambda t: [{"optimizer": {"state": {}}}, t],
    "module.": lambda t: prefixed(t, "module."),
    "decoder. beside an encoder": lambda t: {
        "state_dict": {"encoder.input_layer.0.weight": torch.zeros(3), **prefixed(t, "decoder.")}
    },
    "generator.module. of two": lambda t: {
        "model": {**prefixed(spoilt(t), "generator.module."), **prefixed(t, "generator_ema.module.")}
    },
    "mapping and synthesis apart": lambda t: {
        "g_ema": {part: {n.removeprefix(f"{part}."): v for n, v in t.items() if n.startswith(part)} for part in PARTS},
        "g": {part: {n.removeprefix(f"{part}."): v + 1 for n, v in t.items() if n.startswith(part)} for part in PARTS},
    },
    "deep": lambda t: {"a": [{"b": {"c": ({"d": prefixed(t, "x.y.z.")},)}}]},
}


FORMS = {nest: ("zip", "old", "pickle")[number % 3] for number, nest in enumerate(NESTS)}


@pytest.mark.parametrize(("nest", "form"), FORMS.items())
def test_a_state_dict_is_found_below_any_nest(tmp_path: Path, nest: str, form: str) -> None:
    path = write(tmp_path / "network.bin", NESTS[nest](theirs("skip")), form)
    expected = images(original("skip"))
    torch.testing.assert_close(images(ganvas.load(path)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["skip", "resnet", "classes", "stylegan3", "stylegan3-t"])
def test_every_family_of_nvidia_is_read_from_a_state_dict(tmp_path: Path, kind: str) -> None:
    same(write(tmp_path / "network.pt", {"g_ema": theirs(kind)}), kind)
    facts = ganvas.info(tmp_path / "network.pt")
    assert facts["format"] == "NVIDIA state dict"
    assert "conv_clamp 256" in facts["source"]["assumed"]


@pytest.mark.parametrize("kind", ["skip", "stylegan3"])
def test_safetensors_of_nvidias_names_are_read(tmp_path: Path, kind: str) -> None:
    tensors = {name: tensor.clone().contiguous() for name, tensor in theirs(kind).items()}
    for prefix in ("", "module.", "G_ema."):
        save_file(prefixed(tensors, prefix), tmp_path / "network.safetensors")
        same(tmp_path / "network.safetensors", kind)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["zip", "old", "pickle"])
@pytest.mark.parametrize("kind", ["skip", "stylegan3"])
def test_a_whole_module_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, form: str) -> None:
    module = as_module(theirs(kind))
    if form != "old":  # which also stores the source of classes
        somebodys(monkeypatch, nvidia.Net)
    same(write(tmp_path / "network.pt", module, form), kind)
    wrapped = nn.DataParallel(module)
    same(write(tmp_path / "network.pt", {"epoch": 1, "netG": wrapped}, form), kind)


@pytest.mark.slow
def test_whole_modules_of_other_projects_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = layouts.rosinality(original("skip"))
    module = as_module(tree["g_ema"])
    somebodys(monkeypatch, nvidia.Net)
    same(write(tmp_path / "g.pt", {"generator": module, "latent_avg": tree["latent_avg"]}), "skip")
    hammer = as_module(layouts.hammer(original("skip"))["models"]["generator_smooth"])
    same(write(tmp_path / "g.pt", hammer), "skip")


@pytest.mark.parametrize("layout", [layouts.hammer, layouts.genforce, layouts.rosinality, layouts.openmmlab])
def test_other_formats_are_found_below_prefixes_too(tmp_path: Path, layout: Callable[..., dict]) -> None:
    tensors = {name.removeprefix("generator_ema."): t for name, t in layouts.holder(layout(original("skip"))).items()}
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("generator.")}
    tensors["latent_avg"] = original("skip").mapping.w_avg
    if layout is not layouts.rosinality:
        del tensors["latent_avg"]
    path = write(tmp_path / "g.pt", {"step": 1, "nets": {"ema": prefixed(tensors, "module.net.")}})
    z = original("skip").sample([0])
    torch.testing.assert_close(ganvas.load(path).synthesize(z, "z"), original("skip").synthesize(z, "z"))


@pytest.mark.parametrize("rows", [(), (1,), (4,), (1, 4)])
def test_an_average_repeated_for_each_layer_is_one(tmp_path: Path, rows: tuple[int, ...]) -> None:
    tree = layouts.rosinality(original("skip"))
    average = tree["latent_avg"].expand(*rows, -1).clone()
    for other in ({"latent_avg": average, "g_ema": tree["g_ema"]}, {"g_ema": {**tree["g_ema"], "latent_avg": average}}):
        assert torch.equal(ganvas.load(write(tmp_path / "g.pt", other)).mapping.w_avg, tree["latent_avg"])


def test_averages_that_differ_between_layers_are_told(tmp_path: Path) -> None:
    tree = layouts.rosinality(original("skip"))
    tree["latent_avg"] = torch.randn(4, 6)
    read = ganvas.load(write(tmp_path / "g.pt", tree))
    torch.testing.assert_close(read.mapping.w_avg, tree["latent_avg"].mean(dim=0))
    assert "differs between its 4 layers" in read.about.source["w_avg"]
    tree["latent_avg"] = torch.randn(4, 9)
    with pytest.raises(CheckpointError, match="w_avg has shape"):
        ganvas.load(write(tmp_path / "g.pt", tree))


def test_what_a_state_dict_lacks_is_put_in_and_told(tmp_path: Path) -> None:
    tensors = {n: t for n, t in theirs("skip").items() if not n.endswith(("filter", "noise_const", "w_avg"))}
    read = ganvas.load(write(tmp_path / "g.pt", tensors))
    z = read.sample([0])
    torch.testing.assert_close(
        read.synthesize(z, "z", noise="none"), original("skip").synthesize(z, "z", noise="none"), rtol=0, atol=1e-5
    )
    assert {"assumed", "filter", "noise", "w_avg"} <= read.about.source.keys()


def test_a_choice_among_several_generators_is_told(tmp_path: Path) -> None:
    tree = {"G": spoilt(theirs("skip")), "old": spoilt(theirs("skip")), "G_ema": theirs("skip")}
    path = write(tmp_path / "g.pt", tree)
    assert ganvas.info(path)["source"]["place"] == "G_ema; the file also has G, old"
    assert "place" not in ganvas.info(write(path, {"G_ema": theirs("skip")}))["source"]


def test_averaged_weights_come_first() -> None:
    for averaged in ("G_ema", "ema", "emaG", "generator_smooth", "params_ema", "EMA", "shadow_params", "swa_model"):
        for other in ("G", "semantic", "gemaster", "schematic_net"):
            weights = find_weights({other: {"w": torch.zeros(1)}, averaged: {"w": torch.ones(1)}}, "w")
            assert weights is not None
            assert weights.place == averaged


def test_a_stylegan3_state_dict_of_other_sizes_is_refused(tmp_path: Path) -> None:
    tensors = {name.replace("L1_", "L1_9"): tensor for name, tensor in theirs("stylegan3").items()}
    with pytest.raises(CheckpointError, match="make maps of"):
        ganvas.load(write(tmp_path / "g.pt", tensors))


def test_a_damaged_name_in_a_message_cannot_steer_the_terminal(tmp_path: Path) -> None:
    tensors = {name: tensor for name, tensor in theirs("skip").items() if "mapping.fc0" not in name}
    with pytest.raises(CheckpointError, match="lack mapping") as caught:
        ganvas.load(write(tmp_path / "g.pt", {"\x1b[2J\x00": torch.zeros(1), **tensors}))
    assert str(caught.value).isprintable()


def test_planes_of_features_are_no_images(tmp_path: Path) -> None:
    """As in EG3D, whose backbone is a StyleGAN2 of 96 channels."""
    tensors = theirs("skip")
    for name in [name for name in tensors if "torgb" in name and "affine" not in name]:
        tensors[name] = tensors[name].repeat_interleave(32, dim=0)
    with pytest.raises(CheckpointError, match="maps of 96 channels, which are no images"):
        ganvas.load(write(tmp_path / "g.pt", prefixed(tensors, "backbone.")))


def control(shared: Path, name: str) -> Tensor:
    return images(ganvas.load(shared / "cases" / name))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("01-nvidia-state-dict/state-dict.pt", "01-nvidia-state-dict/control.pkl"),
        ("01-nvidia-state-dict/state-dict-g_ema.pt", "01-nvidia-state-dict/control.pkl"),
        ("02-foreign-objects/whole-module.pt", "02-foreign-objects/control.pkl"),
        ("02-foreign-objects/generator-alone.pkl", "02-foreign-objects/control.pkl"),
        ("02-foreign-objects/foreign-discriminator.pkl", "02-foreign-objects/control.pkl"),
        ("02-foreign-objects/path-beside-weights.pt", "08-prefixes-and-latent-avg/control-rosinality.pt"),
        ("08-prefixes-and-latent-avg/psp.pt", "08-prefixes-and-latent-avg/control-rosinality.pt"),
        ("08-prefixes-and-latent-avg/rosinality-module.pt", "08-prefixes-and-latent-avg/control-rosinality.pt"),
        ("12-tensorflow-gs-alone/gs-alone.pkl", "12-tensorflow-gs-alone/three.pkl"),
    ],
)
def test_files_of_users_give_the_images_of_their_controls(shared: Path, tmp_path: Path, name: str, right: str) -> None:
    expected = control(shared, right)
    torch.testing.assert_close(control(shared, name), expected, rtol=0, atol=1e-5)
    again = ganvas.load(ganvas.convert(shared / "cases" / name, tmp_path / "converted.safetensors"))
    torch.testing.assert_close(images(again), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("nest", [lambda gs: gs, lambda gs: {"Gs": gs, "D": 1}, lambda gs: [gs]])
def test_one_network_of_tensorflow_is_read_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nest: Callable[[Any], Any]
) -> None:
    networks = layouts.tensorflow(original("skip"))
    same(layouts.write_tensorflow(tmp_path / "gs.pkl", nest(networks[-1]), monkeypatch), "skip")
    networks[0].name = "G"
    same(layouts.write_tensorflow(tmp_path / "gs.pkl", (networks[-1], networks[0]), monkeypatch), "skip")
