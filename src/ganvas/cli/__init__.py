"""The command line: one file a command, each thin. Holds no mathematics.

Commands are imported when they are called, so that help costs no torch.
"""

import difflib
import os
import shlex
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from functools import partial
from importlib import metadata
from typing import Any

from cyclopts import App, CycloptsError, MissingArgumentError

from ganvas.cli.show import COMMAND_LINE, STARTED, visible
from ganvas.errors import GanvasError, NotFiniteError
from ganvas.io.process import keep_freed_memory, let_threads_wait

COMMANDS = {
    "studio": "Edit images by hand, on a page in the browser.",
    "demo": "Find directions for regions of a face, and show the edits on a page.",
    "sample": "Make images from seeds.",
    "directions": "Find the directions that change a region and leave the rest alone.",
    "edit": "Move images along a direction.",
    "borrow": "Give an image a part of another one.",
    "drag": "Pull points of an image to where they should be.",
    "render": "Make the images of a recipe again.",
    "region": "Show a region on an image, with a ruler.",
    "parts": "Find and draw the parts of a generator's images.",
    "align": "Align a photo to a generator, to paint on.",
    "invert": "Find the latents of your own photos.",
    "sketch": "Make images that show your sketches.",
    "interpolate": "Make a video from one image to the next.",
    "train": "Train a generator on your own images.",
    "evaluate": "Measure how far a generator's images are from real ones.",
    "compare": "Compare methods for directions, dragging and inversion on your own generator.",
    "models": "List, describe, fetch and convert generators.",
}
INSTALL_COMPLETION = "--install-completion"
GROUPS_OF_COMMANDS = ("compare", "models", "train")
WRONG_INPUT, FAILED, STOPPED = 2, 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 2 for wrong input, 130 after Ctrl-C, 1 where training is not
    finite, memory is short, or Ganvas is wrong.

    Errors are one or two lines on stderr; with ``--debug`` the traceback too.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    COMMAND_LINE.set(shlex.join(["ganvas", *given]))
    STARTED.set(time.perf_counter())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = partial(_show_warning, set())
            _run(given)
            sys.stdout.flush()
    except (KeyboardInterrupt, BrokenPipeError, Exception) as error:
        if "--debug" in given:
            traceback.print_exc()
        return _explain(error, given)
    return 0


def make_app() -> App:
    """Return the commands; none of their files is imported yet."""
    app = App(
        name="ganvas",
        help="Edit images through the latent space of a GAN: mark a region, get its directions, edit with them.",
        version=lambda: f"ganvas {metadata.version('ganvas')}",
        suppress_keyboard_interrupt=False,
    )
    for name, text in COMMANDS.items():
        target = "app" if name in GROUPS_OF_COMMANDS else name
        app.command(f"ganvas.cli.{name}:{target}", name=name, help=text)
    completing = "Complete commands and options by the tab key, from the next terminal on."
    app.command("ganvas.cli.completion:install", name=INSTALL_COMPLETION, help=completing)
    return app


def _run(given: list[str]) -> None:
    first = given[0] if given else "--help"
    if first not in (*COMMANDS, "--help", "-h", "--version", INSTALL_COMPLETION):
        close = difflib.get_close_matches(first, COMMANDS, n=1)
        question = f" Did you mean '{close[0]}'?" if close else ""
        raise GanvasError(f"There is no command '{first}'.{question} Commands: {', '.join(COMMANDS)}.")
    if first in COMMANDS:
        keep_freed_memory()
        let_threads_wait()
    make_app()(given, exit_on_error=False, print_error=False, result_action="return_value")


def _explain(error: BaseException, given: Sequence[str]) -> int:
    """Print what is wrong and what to do; returns the exit code."""
    if isinstance(error, KeyboardInterrupt):
        return _say("Stopped. Files that were finished are kept.", STOPPED)
    if isinstance(error, BrokenPipeError):  # the reader of our output has closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, GanvasError):
        return _say(f"Error: {error}", FAILED if isinstance(error, NotFiniteError) else WRONG_INPUT)
    if isinstance(error, CycloptsError):
        return _say(f"Error: {GanvasError(_in_one_line(error))}\nSee 'ganvas {given[0]} --help'.", WRONG_INPUT)
    if isinstance(error, MemoryError) or "out of memory" in str(error) or "not enough memory" in str(error):
        return _say("Error: there is not enough memory; use fewer seeds, a lower --resolution or --budget.", FAILED)
    message = (str(error).splitlines() or [""])[0]
    return _say(
        f"Internal error in Ganvas ({type(error).__name__}: {message})\nPlease report it with the output of --debug.",
        FAILED,
    )


def _in_one_line(error: CycloptsError) -> str:
    """Return what is wrong with a command line; of an argument that is missing, its name."""
    argument = error.argument
    if isinstance(error, MissingArgumentError) and argument is not None and not (error.keyword or argument.tokens):
        value = argument.parameter.metavar if argument.name.startswith("--") else ""
        return f"{argument.name} {value or ''}".strip() + " is missing."
    return " ".join(str(error).split())


def _say(text: str, code: int) -> int:
    # Of several processes that train together, only rank 0 reports wrong input: all of them find it.
    if code == FAILED or os.environ.get("RANK", "0") == "0":
        print(visible(text), file=sys.stderr)
    return code


def _show_warning(shown: set[str], message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning that is not among those `shown` already."""
    if str(message) not in shown:
        shown.add(str(message))
        print(visible(f"Warning: {message}"), file=sys.stderr)
