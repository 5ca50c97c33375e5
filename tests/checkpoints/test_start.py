"""How a command starts: a generator is loaded without PyTorch's compiler and what that imports."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.biggan.generator import BigGAN
from ganvas.generators.dcgan.generator import DCGAN, DCGANArchitecture
from ganvas.generators.ops import normal
from ganvas.generators.protocol import About
from tests.generators.biggan_parts import SMALL
from tests.generators.small import small_stylegan2
from tests.generators.small_stylegan3 import small_stylegan3

GENERATORS = {
    "stylegan2": small_stylegan2,
    "stylegan3": small_stylegan3,
    "biggan": lambda: BigGAN(SMALL),
    "dcgan": lambda: DCGAN(DCGANArchitecture(16, (6, 3), 5)),
}
SCRIPT = """
import sys, ganvas
ganvas.load(sys.argv[1])
print(sorted({"torch._dynamo", "sympy", "torch.fx.experimental.symbolic_shapes"} & set(sys.modules)))
"""


@pytest.mark.parametrize("family", GENERATORS)
def test_a_generator_is_loaded_without_the_compiler(family: str, tmp_path: Path):
    path = save_generator(tmp_path / "small.safetensors", GENERATORS[family](), About("small", ""))
    said = subprocess.run([sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_values_are_those_that_pytorch_draws():
    torch.manual_seed(3)
    expected = torch.randn(5, 7), torch.randn(4, 4, 3, 3)
    torch.manual_seed(3)
    assert all(torch.equal(normal(*one.shape), one) for one in expected)
    with torch.device("meta"):
        assert normal(2, 3).is_meta
