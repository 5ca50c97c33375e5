"""The state of a session as JSON for its page: everything but images."""

import shlex
from pathlib import Path
from typing import Any

from ganvas.checkpoints.load import BUNDLED
from ganvas.edits.operations import Borrow, Drag, Draw, InterpolateTo, Mix, Move, Operation
from ganvas.generators.protocol import about_of
from ganvas.images.video import can_write_mp4
from ganvas.io.memory import process_bytes
from ganvas.regions import Region
from ganvas.regions.part import Part
from ganvas.studio.document import Area
from ganvas.studio.engine import Engine
from ganvas.studio.rows import MOST_STDS, counts_in_stds
from ganvas.studio.session import Session
from ganvas.studio.store import saved_names

MOST_DISTANCE = 12.0
EXPORTED = "edit"  # what exported files are called


def state_of(session: Session) -> dict[str, Any]:
    """Return what the page shows."""
    document, generator = session.document, session.generator
    now, about = document.now, about_of(generator)
    return {
        "session": session.id,
        "model": session.model,
        "models": list(session.shared.models.files),
        "resolution": generator.resolution,
        "layers": generator.layers,
        "spaces": generator.spaces,
        "named": [*about.regions, *(f"part:{name}" for model in about.parts for name in model.names)],
        "base": base_of(session),
        "areas": [{"number": one.number, "name": one.name} for one in now.areas],
        "chosen": now.chosen,
        "operations": [operation_of(one, now.areas) for one in now.recipe.operations],
        "rim": now.recipe.settings.rim,
        "within": now.recipe.settings.within,
        "versions": [
            {"number": one.number, "parent": one.parent, "title": one.title, "edit": document.is_edit(one)}
            for one in document.versions.values()
        ],
        "current": document.current,
        "undo": document.can_undo,
        "redo": document.can_redo,
        "search": {
            "space": session.search.space,
            "layers": session.search.layers,
            "weight": session.search.weight,
            "asks": session.is_large,
            "ready": session.shared.jacobians.find(session.search.key(session.painter, now.recipe.base)) is not None,
        },
        "heat": session.heat,
        "saved": saved_names(session.shared.folder),
        "paused": session.is_paused,
        "measured": not session.is_large,
        "command": command_of(session),
        "mp4": can_write_mp4(),
        "memory": {"process": process_bytes(), "jacobians": session.shared.jacobians.bytes},
    }


def command_of(session: Session) -> str:
    """Return the command line that makes the image again, beside the two files of the exported recipe."""
    model = session.shared.models.files[session.model]
    command = ["ganvas", "render", f"{EXPORTED}.recipe", *([] if model in BUNDLED else ["--model", model])]
    if session.recipe.base.photo is not None:
        return shlex.join([*command, "--paste-back"])
    return shlex.join([*command, "--out", f"{EXPORTED}.png"])


def base_of(session: Session) -> dict[str, Any]:
    """Return what the recipe begins with."""
    base = session.recipe.base
    return {
        "caption": base.captions[0],
        "seed": base.seeds[0] if base.seeds else None,
        "truncation": base.truncation,
        "photo": base.photo is not None,
        "tuned": bool(base.tuned),
        "source": Path(base.source).name,
    }


def operation_of(operation: Operation, areas: tuple[Area, ...]) -> dict[str, Any]:
    """Return an operation as the list shows it."""
    inside = operation.inside
    where = "" if inside is None else name_of_region(inside, areas)
    return {"kind": operation.change.kind, "enabled": operation.enabled, "inside": where, **_change(operation)}


def name_of_region(inside: Region | Part | str, areas: tuple[Area, ...]) -> str:
    """Return the name of an operation's region: the text that names it, the area that it is, or what it is."""
    if isinstance(inside, str):
        return inside
    return next((one.name for one in areas if one.region == inside), str(inside)[:60])


def _change(operation: Operation) -> dict[str, Any]:
    change = operation.change
    match change:
        case Move():
            stds = counts_in_stds(change.direction)
            length = change.direction.length(change.strength)
            return {
                "label": f"Direction of {change.direction.origin.region_name or 'a region'}",
                "amount": length / change.direction.std if stds else length,
                "most": MOST_STDS if stds else MOST_DISTANCE,
                "unit": "std" if stds else "",
                "method": change.method.name if change.method else "straight",
            }
        case InterpolateTo():
            return {"label": f"Towards {change.target.captions[0]}", "amount": change.t, "most": 1.0, "unit": "share"}
        case Borrow():
            return {
                "label": f"Part of {change.source.captions[0]}",
                "amount": change.strength,
                "most": 1.0,
                "unit": "share",
            }
        case Mix():
            return {"label": f"Layers {change.layers} of {change.style.captions[0]}"}
        case Drag():
            count = len(change.request.points)
            return {"label": f"Drag of {count} point{'s' if count > 1 else ''}"}
        case Draw():
            return {"label": "Sketch"}
    return {"label": str(change)}


def jobs_of(engine: Engine, owner: str) -> dict[str, Any]:
    """Return what runs and waits for a session."""
    own, ahead = engine.jobs(owner)
    listed = [
        {"label": job.label, "done": job.done, "total": job.total, "left": job.seconds_left, "channel": job.channel}
        for job in own
    ]
    return {"jobs": listed, "ahead": ahead}
