"""The public names: all there, listed once, imported only when used, and nothing else beside them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ganvas

STUB = Path(ganvas.__file__).with_suffix(".pyi")


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_every_public_name_resolves_to_an_object_of_that_name():
    for name in ganvas.__all__:
        assert getattr(ganvas, name).__name__ == name


def test_dir_shows_the_public_names_and_nothing_else():
    assert sorted(ganvas.__all__) == [name for name in dir(ganvas) if not name.startswith("__")]
    assert sorted(set(ganvas.__all__)) == sorted(ganvas.__all__)


def test_the_stub_exports_what_it_imports():
    """Type checkers read ``__all__`` of the stub, lazy_loader its imports."""
    tree = ast.parse(STUB.read_text("utf-8"))
    imported = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    exported = next(ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign))
    assert sorted(imported) == sorted(exported) == sorted(ganvas.__all__)
    assert len(set(exported)) == len(exported)


def test_no_public_name_is_hidden_by_a_room():
    """``import ganvas.drag.session`` makes the attribute ``ganvas.drag`` a module, whatever the stub says."""
    rooms = {path.name for path in STUB.parent.iterdir() if path.is_dir()} | {
        path.stem for path in STUB.parent.glob("*.py")
    }
    assert not rooms & set(ganvas.__all__)


def test_a_type_checker_finds_the_package_typed():
    assert (STUB.parent / "py.typed").is_file()
    assert ganvas.__version__.count(".") == 2


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("lood", "Did you mean ganvas.load?"),
        ("find_direction", "Did you mean ganvas.find_directions?"),
        ("xyzzy", r"dir\(ganvas\)"),
    ],
)
def test_unknown_name_is_an_attribute_error_that_names_the_nearest(name: str, hint: str):
    with pytest.raises(AttributeError, match=f"ganvas has no {name}. {hint}"):
        getattr(ganvas, name)


def test_importing_the_package_imports_nothing_heavy():
    heavy = "('torch', 'numpy', 'scipy', 'PIL', 'cyclopts', 'rich', 'safetensors')"
    assert run(f"import ganvas, sys; print([m for m in {heavy} if m in sys.modules])").strip() == "[]"


def test_help_imports_no_torch():
    code = (
        "import sys; from ganvas.cli import main; code = main(['--help']);"
        "print(code, [m for m in ('torch', 'numpy', 'scipy', 'PIL') if m in sys.modules])"
    )
    printed = run(code)
    assert printed.strip().endswith("0 []")
    for command in ("demo", "sample", "directions", "edit", "models"):
        assert command in printed
