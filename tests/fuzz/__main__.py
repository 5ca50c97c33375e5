"""``python -m tests.fuzz``: spoil a file of every format in many ways; none may do more than be refused or load.

Each format has a process of its own, made by fork so that torch is imported once. Prints a table, or with ``--json`` a
line of JSON for each format; exits with 1 where something is wrong. ``--format F --only N --keep FILE`` makes the N-th
file of a format again.
"""

import argparse
import collections
import json
import os
import random
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.fuzz.mutations import mutate
from tests.fuzz.sources import sources
from tests.fuzz.worker import Outcome, run, warm_up

SHOWN_FAULTS = 20


@dataclass
class Row:
    """What came of one format; ``sound`` is what becomes of the file that was spoilt: "loaded" once it is read."""

    format: str
    sound: str = ""
    files: int = 0
    loaded: int = 0
    refused: int = 0
    unsafe: int = 0
    positions: int = 0
    slowest: float = 0.0
    peak: int = 0
    seconds: float = 0.0
    mutations: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one more file."""
        self.files += 1
        self.loaded += outcome.result == "loaded"
        self.refused += outcome.result == "refused"
        self.unsafe += outcome.result == "unsafe"
        self.positions += "byte " in outcome.message
        self.slowest, self.peak = max(self.slowest, outcome.seconds), max(self.peak, outcome.peak)
        if outcome.fault:
            self.faults.append(f"{self.format} --only {outcome.index} ({outcome.mutation}): {outcome.fault}")


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="files of each format")
    parser.add_argument("--format", action="append", help="only this one; may be given several times")
    parser.add_argument("--only", type=int, help="only the file of this number")
    parser.add_argument("--keep", type=Path, help="write the file of --only here")
    parser.add_argument("--json", action="store_true", help="print JSON, a line for each format")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = sources(Path(folder))
        chosen = {name: path for name, path in found.items() if not given.format or name in given.format}
        if given.keep:
            path = next(iter(chosen.values()))
            given.keep.write_bytes(mutate(path.read_bytes(), random.Random(f"{path.name} {given.only}"))[1])
        sound = {name: warm_up(path) for name, path in chosen.items()}
        rows = [in_own_process(name, path, given.count, given.only) for name, path in chosen.items()]
    for row in rows:
        row.sound = sound[row.format]
    print("\n".join(json.dumps(asdict(row)) for row in rows) if given.json else table(rows))
    return 1 if not rows or any(row.faults for row in rows) else 0


def in_own_process(name: str, source: Path, count: int, only: int | None) -> Row:
    """Fork, spoil and load in the child, and collect what it says; a child that crashes is a fault."""
    sys.stdout.flush()
    reading, writing = os.pipe()
    start, child = time.perf_counter(), os.fork()
    if child == 0:
        os.close(reading)
        try:
            with os.fdopen(writing, "w") as pipe, tempfile.TemporaryDirectory() as folder:
                for outcome in run(source, count, Path(folder), only):
                    pipe.write(json.dumps(asdict(outcome)) + "\n")
                    pipe.flush()
        finally:
            os._exit(0)
    os.close(writing)
    row, mutations = Row(name), collections.Counter()
    with os.fdopen(reading) as pipe:
        for line in pipe:
            outcome = Outcome(**json.loads(line))
            mutations[outcome.mutation] += 1
            row.add(outcome)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status or row.files != (count if only is None else 1):
        row.faults.append(f"{name} --only {row.files}: the process ended with {status} after {row.files} files")
    row.seconds, row.mutations = time.perf_counter() - start, dict(sorted(mutations.items()))
    return row


def table(rows: list[Row]) -> str:
    """Return the rows as text, and the faults below."""
    form = "{:<20}{:>9}{:>7}{:>8}{:>9}{:>8}{:>10}{:>10}{:>9}{:>8}{:>8}"
    heads = (
        "format",
        "sound",
        "files",
        "loaded",
        "refused",
        "unsafe",
        "position",
        "slowest s",
        "peak MB",
        "total s",
        "faults",
    )
    lines = [form.format(*heads)]
    for row in rows:
        errors = max(1, row.refused + row.unsafe)
        lines.append(
            form.format(
                *(
                    row.format,
                    row.sound,
                    row.files,
                    row.loaded,
                    row.refused,
                    row.unsafe,
                    f"{100 * row.positions / errors:.0f} %",
                ),
                *(f"{row.slowest:.2f}", f"{row.peak / 1e6:.0f}", f"{row.seconds:.0f}", len(row.faults)),
            )
        )
    faults = [fault for row in rows for fault in row.faults]
    lines += [f"  {fault}" for fault in faults[:SHOWN_FAULTS]]
    if len(faults) > SHOWN_FAULTS:
        lines.append(f"  ... and {len(faults) - SHOWN_FAULTS} more")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
