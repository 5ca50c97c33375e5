"""Every public object is documented in Google style, and the examples of its docstring run."""

import dataclasses
import doctest
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import ganvas

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FUNCTIONS = [name for name in ganvas.__all__ if inspect.isfunction(getattr(ganvas, name))]
SETTINGS = [name for name in ganvas.__all__ if dataclasses.is_dataclass(getattr(ganvas, name))]
# What takes minutes, or needs files of the user: the guide and its tests show these.
WITHOUT_EXAMPLE = {
    "evaluate",
    "train",
    "train_encoder",
}


def section(documentation: str, *titles: str) -> str:
    """Return the text of a section such as "Args:" up to the next one, "" where there is none."""
    found = re.search(rf"^(?:{'|'.join(titles)}):\n((?:[ \t]+.*\n?|\n)*)", documentation + "\n", re.MULTILINE)
    return found[1] if found else ""


def documentation(public: Any) -> str:
    return inspect.getdoc(public) or ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ganvas.__all__)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    public = getattr(ganvas, name)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for example in doctest.DocTestFinder().find(public, name, module=inspect.getmodule(public), globs={}):
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_documents_its_parameters_and_result(name: str):
    text, signature = documentation(getattr(ganvas, name)), inspect.signature(getattr(ganvas, name))
    arguments = section(text, "Args")
    missing = [name for name in signature.parameters if not re.search(rf"^\s+\**{name}\b.*:", arguments, re.MULTILINE)]
    assert not missing, f"missing in Args: {missing}"
    if signature.return_annotation not in (None, "None"):
        assert section(text, "Returns", "Yields")


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - WITHOUT_EXAMPLE))
def test_function_has_an_example(name: str):
    assert ">>>" in section(documentation(getattr(ganvas, name)), "Example", "Examples")


@pytest.mark.parametrize("name", SETTINGS)
def test_dataclass_documents_its_fields(name: str):
    public = getattr(ganvas, name)
    described = section(documentation(public), "Args", "Attributes")
    fields = [field.name for field in dataclasses.fields(public) if not field.name.startswith("_")]
    missing = [field for field in fields if not re.search(rf"^\s+{field}\b.*:", described, re.MULTILINE)]
    assert not missing, f"missing in Attributes: {missing}"


@pytest.mark.parametrize("name", ganvas.__all__)
def test_docstring_begins_with_a_sentence(name: str):
    first = documentation(getattr(ganvas, name)).split("\n\n")[0]
    assert first.endswith((".", ":")), first
