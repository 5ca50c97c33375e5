"""Run tests with every choice of kernels, and print a table: ``python -m tests.kernels [pytest's arguments]``.

Kernels differ in the order in which they add, and in what they round; some were found to be wrong. A test holds where
it passes with all of them. Each setting is a pytest of its own, since libraries read it once, when they load.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

VARIED = ("OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "DNNL_DEFAULT_FPMATH_MODE")


@dataclass(frozen=True)
class Setting:
    """Environment variables under which tests run; ``threads`` are also those that the tests' fixtures ask for."""

    name: str
    threads: int = 1
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Return this process's environment with no other choice of kernels than this one."""
        kept = {name: value for name, value in os.environ.items() if name not in VARIED}
        threads = {"OMP_NUM_THREADS": str(self.threads), "GANVAS_TEST_THREADS": str(self.threads)}
        return kept | threads | self.variables


SETTINGS = [
    Setting("1 thread"),
    Setting("2 threads", 2),
    Setting("oneDNN: SSE4.1", 1, {"ONEDNN_MAX_CPU_ISA": "SSE41"}),
    Setting("oneDNN: AVX2", 1, {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    Setting("oneDNN: AVX-512", 1, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}),
    Setting("ATen: default", 1, {"ATEN_CPU_CAPABILITY": "default"}),
    Setting("ATen: AVX2", 1, {"ATEN_CPU_CAPABILITY": "avx2"}),
    Setting("ATen: AVX-512", 1, {"ATEN_CPU_CAPABILITY": "avx512"}),
    Setting("ATen: default, oneDNN: SSE4.1", 1, {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}),
    Setting("float32 products in bfloat16", 1, {"DNNL_DEFAULT_FPMATH_MODE": "BF16"}),
]


@dataclass(frozen=True)
class Outcome:
    """What one run came to; ``note`` says how it ended where it printed no summary."""

    passed: int
    failed: int
    seconds: float
    names: tuple[str, ...]
    note: str = ""


def run(setting: Setting, arguments: Sequence[str]) -> Outcome:
    """Run pytest under a setting and count."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=no", "-rfE"]
    done = subprocess.run(
        [*command, *arguments], env=setting.environment(), capture_output=True, text=True, check=False
    )
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", done.stdout)}
    names = tuple(re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE))
    note = "" if counts else f"ended with code {done.returncode}"
    failed = counts.get("failed", 0) + counts.get("error", 0)
    return Outcome(counts.get("passed", 0), failed, time.perf_counter() - began, names, note)


def main() -> int:
    """Print one line a setting as it ends, then what failed where; returns 0 where nothing did."""
    parser = argparse.ArgumentParser(prog="python -m tests.kernels", description=__doc__)
    parser.add_argument("--settings", help="run only those whose names contain this text", default="")
    parser.add_argument("--list", action="store_true", help="print the settings and end")
    chosen, arguments = parser.parse_known_args()
    settings = [setting for setting in SETTINGS if chosen.settings in setting.name]
    if chosen.list:
        for setting in settings:
            print(setting.name, f"OMP_NUM_THREADS={setting.threads}", *map("=".join, setting.variables.items()))
        return 0
    print("| setting | passed | failed | seconds |\n|---|---|---|---|", flush=True)
    broken: dict[str, tuple[str, ...]] = {}
    for setting in settings:
        outcome = run(setting, arguments)
        failed = outcome.note or outcome.failed
        print(f"| {setting.name} | {outcome.passed} | {failed} | {outcome.seconds:.0f} |", flush=True)
        if outcome.failed or outcome.note:
            broken[setting.name] = outcome.names or (outcome.note,)
    for name, tests in broken.items():
        print(f"\n{name}:", *tests, sep="\n  ")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
