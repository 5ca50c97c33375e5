"""What training reports while it runs, and what it returns at its end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ganvas.images.datasets import DatasetSummary

BEGUN, STEP, LOGGED, SHEET = "begun", "step", "log", "sheet"
EVALUATION, SNAPSHOT, ALARM = "evaluation", "snapshot", "alarm"


@dataclass(frozen=True)
class TrainingEvent:
    """Something that happened in a run.

    Attributes:
        kind: "begun" (before the first step), "step", "log", "sheet", "evaluation", "snapshot" or "alarm".
        images: Images shown to the network so far.
        metrics: Means since the last log line, or the numbers of an evaluation or of a sheet.
        text: The message of an alarm.
        paths: The files that were written.
        data: What the training data holds, when a run has begun.
    """

    kind: str
    images: int
    metrics: Mapping[str, float | int] = field(default_factory=dict)
    text: str = ""
    paths: tuple[Path, ...] = ()
    data: DatasetSummary | None = None


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended.

    Attributes:
        finished: Whether the run reached its end; False where it was stopped early.
        images: Images shown in all, earlier parts of a resumed run included.
        steps: Steps done in all.
        data: What the training data holds.
        files: The files written last: generator or encoder, snapshot, sheet.
        alarms: Messages of alarms that were raised.
        evaluation: Metrics of the last evaluation on held-out images, empty without one.
        is_main: Whether this process is the main one (rank 0), which reports to the user.
    """

    finished: bool
    images: int
    steps: int
    data: DatasetSummary
    files: tuple[Path, ...] = ()
    alarms: tuple[str, ...] = ()
    evaluation: Mapping[str, float | int] = field(default_factory=dict)
    is_main: bool = True


OnEvent = Callable[[TrainingEvent], None]


def ignore_event(event: TrainingEvent) -> None:
    """Do nothing with an event."""


def never() -> bool:
    """Return False: a run that is not stopped early."""
    return False


@dataclass
class EventRecord:
    """Collects from a run's events what its result reports."""

    alarms: list[str] = field(default_factory=list)
    evaluation: Mapping[str, float | int] = field(default_factory=dict)
    newest: dict[str, tuple[Path, ...]] = field(default_factory=dict)

    def add(self, event: TrainingEvent) -> None:
        """Record an event."""
        if event.kind == ALARM:
            self.alarms.append(f"after {event.images:,} images: {event.text}")
        if event.kind == EVALUATION:
            self.evaluation = event.metrics
        if event.paths:
            self.newest[event.kind] = event.paths

    @property
    def files(self) -> tuple[Path, ...]:
        """The newest files of each kind."""
        return tuple(path for paths in self.newest.values() for path in paths)
