"""A run's log: lines of JSON in its folder, and the means that they tell."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.training.distributed import Team

LOG = "log.jsonl"


class Means:
    """Sums of a step's numbers, kept as tensors so that no device has to wait."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.steps = 0

    def add(self, seen: Mapping[str, Tensor]) -> None:
        """Take in the numbers of one step."""
        self.steps += 1
        for name, value in seen.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value.clone()
            self.counts[name] = self.counts.get(name, 0) + 1

    def take(self, team: Team = Team()) -> dict[str, float]:
        """Return the means over steps and processes, by name, with the number of "steps", and begin anew."""
        means = [self.sums[name].float() / self.counts[name] for name in self.sums]
        team.average(means)
        taken = {name: float(mean) for name, mean in zip(self.sums, means, strict=True)} | {"steps": self.steps}
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
    """Return the log's lines; one that was cut short is left out."""
    lines = []
    for text in (folder / LOG).read_text("utf-8").splitlines() if (folder / LOG).exists() else []:
        with suppress(ValueError):
            lines.append(json.loads(text))
    return lines
