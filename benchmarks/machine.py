"""Where a number was measured, and how: commit, processor, threads, timing, memory."""

import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch


def describe() -> str:
    """Return one line: commit, date, processor, threads, torch."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    day = time.strftime("%Y-%m-%d")
    processor = f"{_processor()} ({torch.backends.cpu.get_cpu_capability()}), {torch.get_num_threads()} threads"
    return f"commit {commit.strip() or 'unknown'}, {day}, {processor}, torch {torch.__version__}"


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def seconds(
    function: Callable[[], object], repeats: int = 3, warm_ups: int = 1, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the shortest time of `repeats` calls after warming up.

    With `clock` ``time.process_time`` that is the work of all threads, which other work on the machine changes little.
    """
    for _ in range(warm_ups):
        function()
    times = []
    for _ in range(repeats):
        start = clock()
        function()
        times.append(clock() - start)
    return min(times)


def run_measured(module: str, *words: str, folder: Path | None = None) -> tuple[str, float]:
    """Run a module of Python in a process of its own, in a folder; returns what it prints, and the most memory that it
    held, GiB.

    Raises `SystemExit` where it fails.
    """
    process = subprocess.Popen([sys.executable, "-m", module, *words], cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{module} {' '.join(words)} ended with {process.returncode}")
    return said, used.ru_maxrss / 2**20


def peak_gib() -> float:
    """Return the most memory this process has held so far, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def duration(value: float) -> str:
    """Return seconds in words fit for their size."""
    if value >= 3600:
        return f"{value / 3600:.1f} h"
    return f"{value / 60:.1f} min" if value >= 120 else f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"
