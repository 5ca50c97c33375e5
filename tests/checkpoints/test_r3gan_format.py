"""R3GAN's files by content: bare, nested, beside others, as modules; damaged ones are refused."""

import sys
import types
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import ganvas
from ganvas.errors import CheckpointError
from ganvas.generators.r3gan.generator import R3GANArchitecture
from tests.generators.r3gan_parts import SMALL, published_names, small_r3gan

CLASSES = R3GANArchitecture.of_maps((16, 8), z_dim=5, label_dim=3, embed_dim=4)


@pytest.mark.parametrize("nest", [lambda one: one, lambda one: {"G_ema": {f"Model.{k}": v for k, v in one.items()}}])
@pytest.mark.parametrize("architecture", [SMALL, CLASSES])
def test_a_state_dict_is_read(tmp_path: Path, nest, architecture: R3GANArchitecture):
    original = small_r3gan(architecture)
    torch.save(nest(published_names(original)), tmp_path / "r3gan.pth")
    generator = ganvas.load(tmp_path / "r3gan.pth")
    assert generator.architecture == architecture
    label = 1 if architecture.label_dim else None
    z = original.sample([0, 1])
    ours, before = (one.synthesize(z, "z", label=label) for one in (generator, original))
    torch.testing.assert_close(ours, before)
    assert ganvas.info(tmp_path / "r3gan.pth")["format"] == "R3GAN"


def test_the_module_of_a_pickle_is_read_without_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As the published training writes it: plain modules of classes that nobody has here."""
    original = small_r3gan()
    code = types.ModuleType("R3GAN_of_somebody")
    exec("import torch.nn as nn\nclass Network(nn.Module): pass", code.__dict__)
    code.Network.__module__ = code.__name__
    monkeypatch.setitem(sys.modules, code.__name__, code)
    network = _as_modules(code.Network, published_names(original))
    wrapper = code.Network()
    wrapper.Model = network
    torch.save({"G": None, "G_ema": wrapper}, tmp_path / "snapshot.pkl")
    monkeypatch.delitem(sys.modules, code.__name__)
    generator = ganvas.load(tmp_path / "snapshot.pkl")
    z = original.sample([3])
    torch.testing.assert_close(generator.synthesize(z, "z"), original.synthesize(z, "z"))


def _as_modules(make: type[nn.Module], named: dict[str, Tensor]) -> nn.Module:
    """Return nested modules whose parameters have these names; the kernels are buffers."""
    root = make()
    for name, tensor in named.items():
        *path, last = name.split(".")
        module = root
        for part in path:
            if part not in module._modules:
                module.add_module(part, make())
            module = module._modules[part]
        if last == "Kernel":
            module.register_buffer(last, tensor)
        else:
            module.register_parameter(last, nn.Parameter(tensor))
    return root


def test_own_format_keeps_every_bit(tmp_path: Path):
    torch.save(published_names(small_r3gan(CLASSES)), tmp_path / "r3gan.pth")
    ganvas.convert(tmp_path / "r3gan.pth", tmp_path / "own.safetensors")
    first, second = ganvas.load(tmp_path / "r3gan.pth"), ganvas.load(tmp_path / "own.safetensors")
    z = first.sample([2])
    assert torch.equal(first.synthesize(z, "z", label=0), second.synthesize(z, "z", label=0))


def _changed(named: dict[str, Tensor], name: str, tensor: Tensor | None) -> dict[str, Tensor]:
    kept = {key: value for key, value in named.items() if key != name}
    return kept if tensor is None else {**kept, name: tensor}


@pytest.mark.parametrize(
    ("name", "tensor", "told"),
    [
        ("MainLayers.1.Layers.0.Resampler.Kernel", torch.full((4, 4), 1 / 16), "another filter"),
        ("MainLayers.1.Layers.0.Resampler.Kernel", torch.ones(3, 3) / 9, "another filter"),
        ("MainLayers.1.Layers.2.NonLinearity1.Bias", None, "missing"),
        ("MainLayers.1.Layers.2.LinearLayer2.Layer.weight", None, "no residual block|damaged"),
        ("MainLayers.1.Layers.1.LinearLayer1.Layer.weight", torch.zeros(32, 7, 1, 1), "expansion|fit"),
        ("MainLayers.1.Layers.2.Extra", torch.zeros(3), "unknown"),
        ("AggregationLayer.Layer.weight", torch.zeros(40, 8, 1, 1), "no images"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, name: str, tensor: Tensor | None, told: str):
    torch.save(_changed(published_names(small_r3gan()), name, tensor), tmp_path / "damaged.pth")
    with pytest.raises(CheckpointError, match=told):
        ganvas.load(tmp_path / "damaged.pth")
