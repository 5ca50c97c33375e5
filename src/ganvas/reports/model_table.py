"""Generators as text for a terminal: the list of all, and the facts about one."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from ganvas.checkpoints.zoo import ZooEntry

WIDE = 110
"""Columns of a terminal from which on the list shows regions and license."""


def model_table(bundled: Sequence[Mapping[str, Any]], entries: Sequence[ZooEntry]) -> list[str]:
    """Return the lines of the list of generators: the bundled ones (facts of `info`), then those of the zoo."""
    wide = Console().width >= WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("name", no_wrap=True)
    table.add_column("px", no_wrap=True, justify="right")
    table.add_column("of", no_wrap=True)
    if wide:
        table.add_column("regions", no_wrap=True, max_width=33)
        table.add_column("license", no_wrap=True)
    table.add_column("MB", no_wrap=True, justify="right")
    table.add_column("here", no_wrap=True)

    def add(name: str, pixels: int, title: str, regions: list[str], license: str, size: int | None, here: str) -> None:
        shown = [region for region in regions if not region.startswith(("left_", "right_"))]
        middle = [", ".join(shown), license] if wide else []
        table.add_row(name, str(pixels), title, *middle, "" if size is None else f"{size / 1e6:.0f}", here)

    for own in bundled:
        add(own["name"], own["resolution"], own["family"], own["regions"], "research", own["bytes"], "bundled")
    table.add_section()
    for entry in entries:
        here = "yes" if entry.here else ""
        add(entry.name, entry.resolution, entry.title, list(entry.regions), entry.license_label, entry.bytes, here)
    return _rendered(table)


def fact_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return facts in two columns; addresses, paths and checksums stay whole, so that they can be copied."""
    known = {name.replace("_", " "): value for name, value in facts.items() if value not in ("", [], None)}
    indent = max(map(len, known)) + 2
    width = max(30, Console().width - indent)
    lines = []
    for name, value in known.items():
        for line in _text(value).splitlines():
            for part in textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""]:
                lines.append(f"{name:<{indent}}{part}")
                name = ""
    return lines


def _rendered(table: Table) -> list[str]:
    """Return the lines of a table, as wide as the terminal, without colors."""
    plain = Console(file=io.StringIO(), width=Console().width, color_system=None, markup=False, highlight=False)
    with plain.capture() as captured:
        plain.print(table)
    return [line.rstrip() for line in captured.get().strip("\n").splitlines()]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name} {_text(item)}" for name, item in value.items()) or "unknown"
    if isinstance(value, list | tuple):
        if value and all(isinstance(item, dict) for item in value):
            return "\n".join(map(_text, value))
        if value and all(isinstance(item, int) for item in value):
            return " x ".join(map(str, value))
        return ("\n" if any("://" in str(item) for item in value) else ", ").join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value) or "none"
