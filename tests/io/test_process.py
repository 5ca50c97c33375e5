"""Freed memory stays with the process where the C library can be told so."""

import ctypes
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ganvas.io import process

RESIDENT_AFTER_FREE = """
import ctypes, sys
from pathlib import Path
from ganvas.io.process import keep_freed_memory
assert sys.argv[1] == "plain" or keep_freed_memory()
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes, c.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
size = 2 ** 26
block = c.malloc(size)
ctypes.memset(block, 1, size)
c.free(block)
print(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)
"""


def resident(mode: str) -> int:
    return int(
        subprocess.run([sys.executable, "-c", RESIDENT_AFTER_FREE, mode], check=True, capture_output=True).stdout
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has /proc")
def test_a_freed_block_stays_resident():
    if not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"):
        pytest.skip("only glibc has mallopt")
    assert resident("keep") - resident("plain") > 2**25


def calls_with(monkeypatch, accepted) -> tuple[bool, list[int]]:
    """Return the answer and the options asked for when the C library accepts only some."""
    asked = []

    def mallopt(option, value):
        asked.append(option)
        return int(option in accepted)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=mallopt))
    return process.keep_freed_memory(), asked


def test_older_libraries_that_allow_no_high_threshold_are_told_not_to_map(monkeypatch):
    all_of_them = {process.M_MMAP_THRESHOLD, process.M_TRIM_THRESHOLD, process.M_MMAP_MAX}
    assert calls_with(monkeypatch, all_of_them) == (True, [-3, -1])
    assert calls_with(monkeypatch, all_of_them - {process.M_MMAP_THRESHOLD}) == (True, [-3, -4, -1])
    assert calls_with(monkeypatch, set()) == (False, [-3, -4])


def test_keep_freed_memory_does_nothing_outside_glibc(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    monkeypatch.setattr(sys, "platform", "linux")
    assert not process.keep_freed_memory()

    def refuse(name):
        raise OSError("no dynamic library")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert not process.keep_freed_memory()
    for system in ("darwin", "win32"):
        monkeypatch.setattr(sys, "platform", system)
        assert not process.keep_freed_memory()


@pytest.mark.parametrize("name", ["GOMP_SPINCOUNT", "OPENBLAS_THREAD_TIMEOUT"])
def test_threads_wait_unless_the_user_chose_otherwise(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(os, "environ", {})
    process.let_threads_wait()
    assert name in os.environ
    os.environ[name] = "5"
    process.let_threads_wait()
    assert os.environ[name] == "5"
