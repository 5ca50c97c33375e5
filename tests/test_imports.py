"""The rooms of the house: a room imports only from rooms before it in the list, and no module imports in a circle."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import ganvas

ROOT = Path(ganvas.__file__).parent
ROOM_ORDER = (
    "errors",
    "io",
    "images",
    "regions",
    "generators",
    "checkpoints",
    "latents",
    "parts",
    "directions",
    "metrics",
    "inversion",
    "drag",
    "edits",
    "training",
    "comparisons",
    "reports",
    "studio",
    "cli",
    "__main__",
)
RANKS = {room: rank for rank, room in enumerate(ROOM_ORDER)}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
ROOMS = [name for name in MODULES if name != "ganvas"]


def imported(module: str) -> set[str]:
    """Return the modules of ours that one imports anywhere in it, in functions too."""
    found = set()
    for name, members in imports_in(ast.parse(MODULES[module].read_text("utf-8"))):
        if name.split(".")[0] == "ganvas":
            within = {f"{name}.{member}" for member in members} & MODULES.keys()
            found |= within or {name}
    return found - {module}


def imports_in(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where an arrow points"
            yield node.module or "", [alias.name for alias in node.names]


def room(module: str) -> str:
    return module.split(".")[1]


def test_the_rooms_are_those_of_the_design():
    assert {room(module) for module in ROOMS} == RANKS.keys(), "put the new room into the order of this test"


@pytest.mark.parametrize("module", ROOMS)
def test_a_room_imports_only_from_rooms_before_it(module: str):
    for other in imported(module):
        assert other != "ganvas", f"{module} imports the package root: name the module"
        assert RANKS[room(other)] <= RANKS[room(module)], f"{module} imports {other}, a room that comes after it"


def test_no_circles():
    TopologicalSorter({module: imported(module) for module in ROOMS}).prepare()


def test_cli_and_studio_hold_nothing_of_each_other():
    outside = [module for module in ROOMS if room(module) not in ("cli", "__main__")]
    assert not any(room(other) == "cli" for module in outside for other in imported(module))
