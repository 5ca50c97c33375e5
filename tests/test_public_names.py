"""The public names: all there, sorted, resolved only when used."""

import subprocess
import sys

import pytest

import ganvas


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_all_is_sorted_and_every_name_resolves():
    assert ganvas.__all__ == sorted(ganvas.__all__)
    for name in ganvas.__all__:
        assert getattr(ganvas, name).__name__ == name
    assert set(ganvas.__all__) <= set(dir(ganvas))


def test_homes_list_the_same_names():
    assert sorted(name for names in ganvas._HOMES.values() for name in names) == ganvas.__all__


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'lood'"):
        _ = ganvas.lood


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
