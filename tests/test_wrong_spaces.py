"""Every kind of code given to every public function in every wrong space: always `LatentError`, never an image.

Without the tests' checks of types, which users do not have: so in a process of its own, which prints what was answered.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

SPACES = ("z", "w", "w+", "s")
WAYS = {("z", "w"), ("z", "w+"), ("z", "s"), ("w", "w+"), ("w", "s"), ("w+", "s")} | {(one, one) for one in SPACES}
REGION = "box:0.2,0.2,0.7,0.7"


def generators() -> dict[str, Any]:
    """Return generators whose z and w are both equally wide, of all families with w, and ones that have z only."""
    import ganvas
    from tests.fakes import LayeredGenerator, LinearGenerator
    from tests.generators.small import small_stylegan2
    from tests.generators.small_stylegan3 import small_stylegan3
    from tests.generators.test_dcgan import small_dcgan

    torch.manual_seed(0)
    paint = torch.nn.Sequential(torch.nn.Linear(6, 3 * 16), torch.nn.Unflatten(1, (3, 4, 4))).eval()
    mapping = torch.nn.Linear(6, 6).eval().requires_grad_(False)
    return {
        "stylegan2": small_stylegan2(8, z_dim=6),
        "stylegan3": small_stylegan3(16),
        "layered": LayeredGenerator(),
        "linear": LinearGenerator(),
        "dcgan": small_dcgan(8),
        "wrapped": ganvas.wrap(paint.requires_grad_(False), z_dim=6, mapping=mapping),
    }


def codes_of(generator: Any) -> dict[str, Tensor]:
    """Return one code of every space that the generator has."""
    z = generator.sample([3])
    return {space: z if space == "z" else generator.map(z, space) for space in generator.spaces}


def wrong_tensors(generator: Any, space: str) -> Iterator[tuple[str, Tensor]]:
    """Yield tensors that are no codes of a space: those of other spaces in another shape, and damaged ones."""
    codes = codes_of(generator)
    right = codes.get(space)
    for name, tensor in codes.items():
        if right is None or tensor.shape != right.shape:
            yield f"a {name} tensor", tensor
    some = codes["z"] if right is None else right
    yield "one number more", torch.cat([some, some[..., :1]], dim=-1)
    yield "no batch axis", some[0]
    yield "no code", some[:0]
    yield "whole numbers", some.long()
    yield "no axis at all", torch.tensor(1.0)
    yield "two axes more", some[None, None]


def direction(generator: Any, space: str) -> Any:
    """Return a unit vector of a space."""
    from ganvas.directions.direction import Direction

    vector = torch.ones(generator.dimensions(space))
    return Direction(vector / vector.norm(), space, None)


def calls_with_a_space(generator: Any) -> dict[str, Callable[[Tensor, Any], object]]:
    """Return what takes a tensor together with its space."""
    import ganvas
    from ganvas.directions.resefa import ReSeFa

    feature = generator.feature_names[0]
    calls: dict[str, Callable[[Tensor, Any], object]] = {
        "Latent": lambda codes, space: generator.synthesize(ganvas.Latent(codes, space)),
        "synthesize": lambda codes, space: generator.synthesize(codes, space),
        "features": lambda codes, space: generator.features(codes, [feature], space),
        "resume": lambda codes, space: generator.resume(feature, torch.zeros(1, 1, 1, 1), codes, space),
        "find_directions": lambda codes, space: ganvas.find_directions(generator, codes, REGION, space=space, count=1),
        "cache_jacobians": lambda codes, space: ganvas.cache_jacobians(generator, codes, method=ReSeFa(), space=space),
    }
    if hasattr(generator, "linearize"):
        calls["linearize"] = lambda codes, space: generator.linearize(codes, space)
    return calls


def calls_with_a_latent(generator: Any) -> dict[str, Callable[[Any], object]]:
    """Return what takes a `Latent` and nothing else."""
    import ganvas

    along = direction(generator, generator.spaces[0])
    return {
        "edit": lambda latent: ganvas.edit(generator, latent, along),
        "edit_series": lambda latent: ganvas.edit_series(generator, latent, along, [1.0]),
        "mix": lambda latent: ganvas.mix(generator, latent, latent, 0),
        "mix_grid": lambda latent: ganvas.mix_grid(generator, latent, latent, 0),
        "path_through": lambda latent: ganvas.path_through(generator, [latent, latent]),
        "open_drag": lambda latent: ganvas.open_drag(generator, latent),
        "drag_points": lambda latent: ganvas.drag_points(generator, latent, [((0.2, 0.2), (0.6, 0.6))], steps=1),
    }


def attempts(generator: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield everything that has to be refused, with a name."""
    import ganvas

    codes = codes_of(generator)
    for name, call in calls_with_a_space(generator).items():
        for space in SPACES:
            for what, tensor in wrong_tensors(generator, space):
                yield f"{name}({what}, space {space})", lambda c=call, t=tensor, s=space: c(t, s)
        for space, tensor in codes.items():
            yield f"{name}({space} tensor, space q)", lambda c=call, t=tensor: c(t, "q")
            if name != "Latent":
                yield f"{name}({space} tensor, no space)", lambda c=call, t=tensor: c(t, None)
    for name, latent_call in calls_with_a_latent(generator).items():
        for space, tensor in codes.items():
            yield f"{name}({space} tensor)", lambda c=latent_call, t=tensor: c(t)
            yield f"{name}({space} list)", lambda c=latent_call, t=tensor: c(t.tolist())
    for space, tensor in codes.items():
        latent = ganvas.Latent(tensor, space)
        for to in SPACES:
            if to in generator.spaces and (space, to) in WAYS:
                continue
            yield f"{space}.to_space({to})", lambda one=latent, to=to: one.to_space(generator, to)
            if (space, to) == ("w+", "w"):  # directions of w move w+
                continue
            yield (
                f"find_directions({space} latent, space {to})",
                lambda one=latent, to=to: ganvas.find_directions(generator, one, REGION, space=to),
            )
            yield (
                f"cache_jacobians({space} latent, space {to})",
                lambda one=latent, to=to: ganvas.cache_jacobians(generator, one, space=to),
            )
            yield (
                f"open_drag({space} latent, space {to})",
                lambda one=latent, to=to: ganvas.open_drag(generator, one, space=to),
            )
            if to in generator.spaces:
                along = direction(generator, to)
                yield f"edit({space} latent, {to} direction)", lambda o=latent, d=along: ganvas.edit(generator, o, d)
                yield (
                    f"edit_series({space} latent, {to} direction)",
                    lambda o=latent, d=along: ganvas.edit_series(generator, o, d, [1.0]),
                )


def answers(generator: Any) -> dict[str, str]:
    """Return what each attempt was answered by, for those that were not refused as they should be."""
    from ganvas.errors import LatentError

    found = {}
    for name, attempt in attempts(generator):
        try:
            given = attempt()
        except LatentError:
            continue
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
        else:
            found[name] = f"a {type(given).__name__}"
    return found


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, Any]]:
    code = (
        "import json; from tests import test_wrong_spaces as t;"
        "print(json.dumps({n: {'count': sum(1 for _ in t.attempts(g)), 'wrong': t.answers(g)}"
        " for n, g in t.generators().items()}))"
    )
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


@pytest.mark.parametrize("name", ["stylegan2", "stylegan3", "layered", "linear", "dcgan", "wrapped"])
def test_codes_in_a_wrong_space_give_a_latent_error_and_never_an_image(told: dict[str, dict[str, Any]], name: str):
    assert told[name]["count"] > 100
    assert told[name]["wrong"] == {}
