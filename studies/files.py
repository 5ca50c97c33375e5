"""What all studies write: text and JSON files, and the machine and date that numbers were measured with."""

import platform
from datetime import UTC, datetime
from pathlib import Path

import torch

from ganvas.io.files import atomic_path


def write_text(path: Path, text: str) -> Path:
    """Write a text file, whole or not at all; returns its path."""
    with atomic_path(path) as temporary:
        temporary.write_text(text if text.endswith("\n") else text + "\n", "utf-8")
    return path


def provenance() -> dict[str, str]:
    """Return the machine and the date."""
    machine = f"{platform.machine()}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}"
    return {"machine": machine, "date": datetime.now(UTC).strftime("%Y-%m-%d")}
