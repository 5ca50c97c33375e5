"""What all tests share: the folder of conformance vectors, and one table of tolerances."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

settings.register_profile("ganvas", derandomize=True, deadline=None)
settings.load_profile("ganvas")  # the same examples every time, however slow the machine

# `tests.kernels` chooses the number of threads for every test, whatever it asks for.
if threads := os.environ.get("GANVAS_TEST_THREADS"):
    torch.set_num_threads(int(threads))
    torch.set_num_threads = lambda count: None

ROUNDED = os.environ.get("DNNL_DEFAULT_FPMATH_MODE", "STRICT").upper() not in ("", "STRICT")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real data beside the checkout; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the shared data folder {SHARED}, which is not on this machine")
    return SHARED


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what Ganvas caches out of the user's home."""
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path_factory.getbasetemp() / "home"))


@pytest.fixture(autouse=True)
def seeded(request: pytest.FixtureRequest) -> None:
    """Give random weights of modules that a test makes the same values in every order of tests; skip claims of float32
    where its products are rounded.
    """
    torch.manual_seed(0)
    if ROUNDED and request.node.get_closest_marker("float32"):
        pytest.skip("oneDNN rounds float32 products here, and this test claims more digits than those have")


@pytest.fixture(autouse=True)
def two_threads() -> None:
    """Give the same sums on every machine."""
    torch.set_num_threads(2)


@pytest.fixture
def one_thread(two_threads: None) -> None:
    """Run small networks on one thread: they are not worth the synchronization of two."""
    torch.set_num_threads(1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the cache folder of a test a place of its own."""
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
