"""Directions and edits in words and numbers: lines for a terminal, facts for a page, a summary for JSON."""

from collections.abc import Sequence
from typing import Any

from ganvas.directions.direction import Directions
from ganvas.latents.latent import Latent
from ganvas.reports.html import number
from ganvas.reports.region_report import Edit, captions

MOST_LINES = 10


def direction_lines(found: Directions, most: int = MOST_LINES) -> list[str]:
    """Return the numbers of the strongest directions, one line each."""
    lines = ["direction  eigenvalue  predicted ratio    std (1s)"]
    for index, one in enumerate(list(found)[:most]):
        values = (number(one.eigenvalue), number(one.predicted_ratio), number(one.std))
        lines.append(f"{index:>9}  {values[0]:>10}  {values[1]:>15}  {values[2]:>10}")
    return lines


def direction_summary(found: Directions) -> dict[str, Any]:
    """Return the numbers of directions for ``--json``."""
    return {
        "region": found.origin.region_name,
        "space": found.space,
        "layers": found.layers,
        "seeds": found.origin.seeds,
        "ridge": found.origin.ridge,
        "solver": found.origin.solver,
        "eigenvalues": found.eigenvalues.tolist(),
        "predicted_ratios": found.predicted_ratios.tolist(),
        "stds": found.stds.tolist(),
    }


def describe_edit(found: Directions, step: Edit, latent: Latent, command: str) -> dict[str, str]:
    """Return what a page says of an edit: its directions, layers, strengths and images, in words."""
    std = step.direction.std
    added = [f"{one.origin.region_name or 'direction'} at {captions([amount])[0]}" for one, amount in step.before]
    facts = {
        **describe(found),
        "edited layers": str(step.layers or ""),
        "one std (1s)": f"{std:.3g}" if std == std else "",
        "added first": ", ".join(added),
        "way": "" if step.method is None else step.method.name,
        "confined to": str(step.confinement or ""),
        "images": ", ".join(latent.captions),
        "their class": str(latent.label) if isinstance(latent.label, int) else "",
        "their truncation": f"{latent.truncation:g}",
        "command": command,
    }
    return {name: text for name, text in facts.items() if text}


def describe(directions: Directions) -> dict[str, str]:
    """Return what a page says of directions: how they were found, in words."""
    origin = directions.origin
    size = f"{origin.resolution} px, channels {origin.channels}" if origin.resolution else ""
    seeds = f"{numbers(origin.seeds)} ({'averaged' if len(origin.seeds) > 1 else 'one image'})"
    facts = {
        "generator": origin.generator,
        "region": origin.region_name,
        "method": origin.method,
        "space": directions.space,
        "layers": "all" if directions.layers is None else numbers(directions.layers),
        "found at seeds": seeds if origin.seeds else "",
        "found at class": "" if origin.label is None else str(origin.label).strip("()"),
        "truncation": "not known" if origin.truncation is None else f"{origin.truncation:g}",
        "ridge": origin.ridge,
        "background rank": str(origin.rank or ""),
        "solver": origin.solver,
        "read as": origin.notes,
        "measured at": size,
    }
    return {name: text for name, text in facts.items() if text}


def numbers(values: Sequence[int]) -> str:
    """Write whole numbers shortly: 0, 1, 2, 5 as "0-2, 5"; kept in their order."""
    parts: list[list[int]] = []
    for value in values:
        if parts and value == parts[-1][-1] + 1:
            parts[-1].append(value)
        else:
            parts.append([value])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in parts)
