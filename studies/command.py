"""Runs a study as a command: ``python -m studies.NAME``. Its options are the parameters of one function, which writes
files and returns their paths.
"""

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from ganvas.errors import GanvasError
from ganvas.io.process import keep_freed_memory, let_threads_wait

DONE, WRONG, STOPPED = 0, 2, 130

Photos = Annotated[Path, Parameter(help="Folder or zip of photos; those that are used are spread over all of them.")]
Out = Annotated[Path, Parameter(help="Folder for the results; a second run with the same one resumes.")]
Threads = Annotated[int | None, Parameter(help="CPU threads; by default torch's own choice.")]
Flag = Annotated[bool, Parameter(negative=())]
Names = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=(), metavar="NAME")]


def main(target: str) -> None:
    """Run the study "module:function" with the options of this process, and exit."""
    let_threads_wait()  # before torch loads
    keep_freed_memory()
    module, _, name = target.partition(":")
    sys.exit(run(getattr(importlib.import_module(module), name)))


def run(study: Callable[..., Sequence[Path]], arguments: Sequence[str] | None = None) -> int:
    """Call a study with options from text, and print the paths that it returns.

    Returns the exit code: 0, 2 for wrong input (without a traceback), 130 after Ctrl-C, which keeps finished parts.
    """
    app = App(name=f"python -m {study.__module__.removesuffix('.command')}", version_flags=[])
    app.default(study)
    try:
        command, bound, *_ = app.parse_args(arguments, exit_on_error=False, print_error=False)
        _set_threads(bound.arguments.get("threads"))
        paths = command(*bound.args, **bound.kwargs)
    except KeyboardInterrupt:
        return _say("Stopped; finished parts are kept.", STOPPED)
    except GanvasError as error:
        return _say(f"Error: {error}", WRONG)
    except CycloptsError as error:
        return _say(f"Error: {' '.join(str(error).split())}", WRONG)
    if paths:
        print("\n".join(map(str, paths)))
    return DONE


def show_progress(what: str, done: int, total: int) -> None:
    """Print progress to stderr: about twenty times, and at the end."""
    if done == total or done % max(total // 20, 1) == 0:
        print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)


def show_line(text: str) -> None:
    """Print a line to stderr."""
    print(text, file=sys.stderr, flush=True)


def _set_threads(count: Any) -> None:
    if count:
        import torch

        torch.set_num_threads(count)


def _say(text: str, code: int) -> int:
    show_line(text)
    return code
