"""A run's log, JSON lines in its folder, and the means that a line records."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.training.distributed import ProcessGroup

LOG = "log.jsonl"


class RunningMeans:
    """Sums of the metrics of steps, kept as tensors so that no device has to synchronize."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.steps = 0

    def add(self, metrics: Mapping[str, Tensor]) -> None:
        """Add the metrics of one step."""
        self.steps += 1
        for name, value in metrics.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value.clone()
            self.counts[name] = self.counts.get(name, 0) + 1

    def take(self, processes: ProcessGroup = ProcessGroup()) -> tuple[dict[str, float], int]:
        """Return the means over steps and processes by name, and the number of steps; start again from zero."""
        means = [self.sums[name].float() / self.counts[name] for name in self.sums]
        processes.average(means)
        taken = {name: float(mean) for name, mean in zip(self.sums, means, strict=True)}, self.steps
        self.__init__()
        return taken


def write_line(folder: Path, line: Mapping[str, Any]) -> None:
    """Append a line of JSON to the run's log; raises `TrainingError` where the system refuses."""
    try:
        with (folder / LOG).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
    except OSError as refusal:
        raise TrainingError(f"'{folder / LOG}' cannot be written: {refusal.strerror}.") from refusal


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Return the log's lines; a truncated line is skipped."""
    lines = []
    for text in (folder / LOG).read_text("utf-8").splitlines() if (folder / LOG).exists() else []:
        with suppress(ValueError):
            lines.append(json.loads(text))
    return lines
