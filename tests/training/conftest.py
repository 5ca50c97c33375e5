"""What the trainer's tests share."""

from pathlib import Path

import pytest
import torch


@pytest.fixture
def one_thread(two_threads: None) -> None:
    """Tiny networks are not worth the threads' meeting each other."""
    torch.set_num_threads(1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give packed pictures a folder of their own."""
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
