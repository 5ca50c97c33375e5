"""``ganvas models``: list, describe and convert generators."""

from pathlib import Path
from typing import Any

from cyclopts import App

from ganvas.checkpoints.files import BUNDLED, convert, info
from ganvas.cli.shared import Common, Flag, wrote

app = App(name="models", help="List, describe and convert generators.")


@app.command(name="list")
def list_models(*, common: Common = Common()) -> None:
    """List the generators that come with Ganvas."""
    found = [info(name) for name in BUNDLED]
    lines = [
        f"{facts['name']:<12} {facts['family']}, {facts['resolution']} px, {facts['bytes'] / 1e6:.0f} MB, regions: "
        f"{', '.join(facts['regions']) or 'none'}"
        for facts in found
    ]
    common.show(lines, {"command": "models list", "generators": found})


@app.command(name="info")
def describe_model(model: str, /, *, common: Common = Common()) -> None:
    """Describe a generator: sizes, spaces, layers, named regions, where it comes from.

    Parameters
    ----------
    model
        A bundled name (faces) or a file of a generator.
    common
        Options of every command.
    """
    facts = info(model)
    width = max(map(len, facts)) + 2
    common.show([f"{name:<{width}}{_words(value)}" for name, value in facts.items()], facts)


@app.command(name="convert")
def convert_model(model: str, out: Path, /, *, half: Flag = False, common: Common = Common()) -> None:
    """Write a generator in Ganvas's format, which opens fast and holds no code.

    Parameters
    ----------
    model
        A file such as a .pkl of NVIDIA's; nothing in it is run.
    out
        The .safetensors file to write; an older file of that name is replaced.
    half
        Keep 16 bits a weight: half the size, about three digits.
    common
        Options of every command.
    """
    path = convert(model, out, half=half)
    common.show(
        [*wrote([path]), f"{path.stat().st_size / 1e6:.1f} MB"],
        {"command": "models convert", "files": [path], "bytes": path.stat().st_size},
    )


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(item)}" for name, item in value.items()) or "unknown"
    if isinstance(value, list | tuple):
        return " x ".join(map(str, value)) if value and all(isinstance(v, int) for v in value) else ", ".join(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value) or "none"
