"""Progress on stderr: what is done, how fast, how long it will still take. Silent where stderr is no terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.text import Text

Download = Callable[[str, int, int | None], None]


@runtime_checkable
class Report(Protocol):
    """What `progress` gives: to be called with what is being done, how much of it is done, how much there is, and a
    note that may change.
    """

    def __call__(self, what: str, done: int, total: int, note: str = "") -> None: ...  # noqa: D102 (the class says it)


class Rate(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        """Return the rate, empty until there is one."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


@contextmanager
def progress(shown: bool = True, remembers: float = 30.0) -> Iterator[Report]:
    """Give a function to call with what is being done, how much of it is done, how much there is, and perhaps a note.

    Rate and time left are those of the last `remembers` seconds.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        Rate(),
        TimeLeft(compact=True),
        TextColumn("{task.fields[note]}"),
    )
    hidden = not (shown and console.is_terminal)
    with Progress(
        *columns, console=console, transient=True, expand=True, disable=hidden, speed_estimate_period=remembers
    ) as bars:
        tasks: dict[str, TaskID] = {}
        reached: dict[str, int] = {}

        def report(what: str, done: int, total: int, note: str = "") -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total, note=note)
            elif done < reached[what]:  # the same again, for the next image
                bars.reset(tasks[what], total=total)
            reached[what] = done
            bars.update(tasks[what], completed=done, total=total, note=note)

        yield report


@contextmanager
def downloads() -> Iterator[Download]:
    """Give a function to call with a file's name, the bytes that are there, and all of them (None while unknown)."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeLeft())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def report(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield report
