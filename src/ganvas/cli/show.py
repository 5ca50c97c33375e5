"""How every command shows what it did: lines or JSON on stdout, and a progress bar on stderr."""

import json
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bars
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.progress import TransferSpeedColumn as BytesRate
from rich.text import Text

from ganvas.io.json_files import plain
from ganvas.io.progress import Forecast

COMMAND_LINE: ContextVar[str] = ContextVar("COMMAND_LINE", default="ganvas")
"""The command as typed, for the pages that it writes."""
STARTED: ContextVar[float] = ContextVar("STARTED", default=0.0)
"""When the command started, by `time.perf_counter`."""


def show_result(lines: Sequence[str], summary: Mapping[str, Any], as_json: bool) -> None:
    """Print the summary as JSON, or the lines."""
    print(json.dumps(plain(summary), indent=2) if as_json else visible("\n".join(lines)))


def written(paths: Sequence[Path], device: str = "") -> list[str]:
    """Return the lines that end a command's output: the files that it wrote, and the time that it took, and where."""
    where = f" on {device}" if device else ""
    return [*(f"wrote {path}" for path in paths), f"{time.perf_counter() - STARTED.get():.1f} seconds{where}"]


def repeatable() -> str:
    """Return the command as typed, without what changes nothing in its results: two runs of it may share a folder."""
    words = iter(shlex.split(COMMAND_LINE.get()))
    kept = []
    for word in words:
        if word == "--out":
            next(words, None)
        elif not word.startswith("--out=") and word not in ("--overwrite", "--json", "--debug"):
            kept.append(word)
    return shlex.join(kept)


def visible(text: str) -> str:
    """Show control characters of text that may come from a file, so that they do not steer the terminal."""
    return "".join(c if c == "\n" or c.isprintable() or c == "\t" else repr(c)[1:-1] for c in text)


@runtime_checkable
class Report(Protocol):
    """What `progress` yields: the library's progress callback, with an optional note behind the bar."""

    def __call__(self, what: str, done: int, total: int | None, note: str = "") -> None: ...  # noqa: D102


@contextmanager
def progress(
    shown: bool = True, window: float = 30.0, in_bytes: bool = False, forecast_all_but: str = ""
) -> Iterator[Report]:
    """Show a bar with rate and time left for each task that is reported; where stderr is no terminal, say only how long
    a task will take that takes more than a minute.

    The rate is that of the last `window` seconds. With `in_bytes`, amounts are bytes of a download. How long the task
    `forecast_all_but` will take is left to its caller to say.
    """
    console = Console(stderr=True)
    amounts = (DownloadColumn(), BytesRate()) if in_bytes else (MofNCompleteColumn(), _Rate())
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), *amounts, TimeLeft(compact=True))
    hidden = not (shown and console.is_terminal)
    note_column = TextColumn("{task.fields[note]}")
    with Bars(
        *columns,
        note_column,
        console=console,
        transient=True,
        expand=True,
        disable=hidden,
        speed_estimate_period=window,
    ) as bars:
        tasks: dict[str, Task] = {}
        forecast = Forecast(lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True))

        def report(what: str, done: int, total: int | None, note: str = "") -> None:
            if what not in tasks:
                number = bars.add_task(what, total=total, note=note)
                tasks[what] = next(task for task in bars.tasks if task.id == number)
            elif done < tasks[what].completed:  # the same task starts again, for the next image
                bars.reset(tasks[what].id, total=total)
            bars.update(tasks[what].id, completed=done, total=total, note=note)
            if shown and not in_bytes and what != forecast_all_but:
                forecast.report(what, done, total)

        yield report


class _Rate(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        """Return the rate, empty until there is one."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "")
