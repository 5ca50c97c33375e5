"""The examples in the docstrings of public objects run, and every public object of the core says what it takes."""

import doctest
import functools
import inspect
from collections.abc import Iterator

import pytest

import ganvas

CORE = ("latents", "directions", "edits")  # rooms whose public functions have all sections


def examples() -> Iterator[tuple[str, doctest.DocTest]]:
    """Yield the doctests of every public object and of its public methods."""
    finder = doctest.DocTestFinder(recurse=True, exclude_empty=True)
    for name in ganvas.__all__:
        for test in finder.find(getattr(ganvas, name), name, module=False, globs={}):
            if test.examples:
                yield test.name, test


EXAMPLES = dict(examples())


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_of_a_docstring_prints_what_it_says(name: str, monkeypatch: pytest.MonkeyPatch, one_thread: None):
    monkeypatch.setattr(ganvas, "load", loaded)  # once for all examples
    test = EXAMPLES[name]
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)


@functools.cache
def loaded(name: str):
    return LOAD(name)


LOAD = ganvas.load


def public_functions() -> list[str]:
    return [
        name
        for name in ganvas.__all__
        if inspect.isfunction(getattr(ganvas, name)) and getattr(ganvas, name).__module__.split(".")[1] in CORE
    ]


@pytest.mark.parametrize("name", public_functions())
def test_docstring_of_a_public_function_names_its_arguments_result_and_errors(name: str):
    function = getattr(ganvas, name)
    text = inspect.getdoc(function) or ""
    for section in ("Args:", "Returns:", "Raises:"):
        assert section in text, f"{name} lacks the section {section}"
    for argument in inspect.signature(function).parameters:
        assert f"    {argument}: " in text, f"{name} does not say what {argument} is"
