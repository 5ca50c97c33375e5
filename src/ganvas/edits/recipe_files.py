"""Recipes in files: JSON that a person can read, and beside it a safetensors file with codes, directions and masks.

Everything that is read may be hostile: it is data, of bounded size, checked before use. The JSON names the hash of its
tensors, so that files of two recipes are not taken for one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.directions.direction import Direction, Directions
from ganvas.directions.files import stored_directions
from ganvas.directions.linalg import Ridge
from ganvas.directions.resefa import ReSeFa
from ganvas.drag.request_json import request_as_json, request_of
from ganvas.edits.confine import ConfineSettings
from ganvas.edits.correct import CorrectedEdit
from ganvas.edits.follow import FollowedEdit
from ganvas.edits.operations import Borrow, Change, Drag, Draw, InterpolateTo, Mix, Move, Operation
from ganvas.edits.straight import EditMethod
from ganvas.errors import ResultFileError
from ganvas.generators.codes import Layers
from ganvas.inversion.loss_weights import LossWeights
from ganvas.inversion.sketch.search import SketchSettings
from ganvas.inversion.sketch.target import Sketch
from ganvas.io.json_files import made_of, number, plain, read_json, whole, write_json
from ganvas.io.tensor_files import hash_tensors, read_tensors, write_tensors
from ganvas.latents.files import stored_latent
from ganvas.latents.latent import Latent
from ganvas.parts.text import part_text
from ganvas.regions import Region
from ganvas.regions.part import Part
from ganvas.regions.stored import region_as_json, region_of_json

KIND, VERSION = "recipe", 1
MOST_OPERATIONS = 1000
Tensors = dict[str, Tensor]


def write_recipe(path: str | Path, base: Latent, operations: Sequence[Operation], settings: ConfineSettings) -> Path:
    """Write a recipe's two files, each whole or not at all, the tensors first; returns the path of the JSON file."""
    tensors: Tensors = {}
    content = {
        "kind": KIND,
        "version": VERSION,
        "generator": base.generator,
        "generator_hash": base.generator_hash,
        "base": _put_latent(tensors, "base", base),
        "settings": asdict(settings),
        "operations": [_put_operation(tensors, str(index), one) for index, one in enumerate(operations)],
    }
    content["tensors"] = hash_tensors(tensors)
    write_tensors(tensors_of(path), KIND, tensors, {}, ResultFileError)
    return write_json(Path(path), plain(content), ResultFileError)


def read_recipe(path: str | Path) -> tuple[Latent, tuple[Operation, ...], ConfineSettings]:
    """Return base, operations and settings of a recipe's files; raises `ResultFileError` with the reason for others."""
    content = read_json(path)
    if not isinstance(content, Mapping) or content.get("kind") != KIND:
        raise ResultFileError(f"'{path}' is not a recipe of Ganvas; ganvas edit and ganvas drag write them.")
    if content.get("version") != VERSION:
        raise ResultFileError(
            f"'{path}' is of version {content.get('version')!r:.20} of recipes; this Ganvas reads {VERSION}. Update it."
        )
    tensors, _ = read_tensors(tensors_of(path), KIND, ResultFileError)
    if content.get("tensors") != hash_tensors(tensors):
        raise ResultFileError(
            f"'{tensors_of(path)}' holds the tensors of another recipe than '{path}'; keep both together."
        )
    return made_of(path, lambda: _recipe(content, tensors), "a whole recipe")


def tensors_of(path: str | Path) -> Path:
    """Return the name of the file with a recipe's tensors."""
    return Path(f"{path}.safetensors")


def _recipe(content: Mapping[str, Any], tensors: Tensors) -> tuple[Latent, tuple[Operation, ...], ConfineSettings]:
    operations = content["operations"]
    if not isinstance(operations, list) or len(operations) > MOST_OPERATIONS:
        raise ValueError(f"its operations are no list of at most {MOST_OPERATIONS}")
    found = tuple(_operation(tensors, str(index), one) for index, one in enumerate(operations))
    return _latent(tensors, "base", content["base"]), found, ConfineSettings(**content["settings"])


def _put_operation(tensors: Tensors, name: str, operation: Operation) -> dict[str, Any]:
    where = _put_place(tensors, f"{name}.inside", operation.inside)
    kept = {"kind": operation.change.kind, "enabled": operation.enabled, "inside": where}
    return kept | _put_change(tensors, name, operation.change)


def _operation(tensors: Tensors, name: str, values: Mapping[str, Any]) -> Operation:
    inside = _place(tensors, f"{name}.inside", values["inside"])
    return Operation(_change(tensors, name, values), inside, values["enabled"] is not False)


def _put_method(tensors: Tensors, name: str, method: EditMethod | None) -> dict[str, Any] | None:
    match method:
        case None:
            return None
        case CorrectedEdit() | FollowedEdit():
            place = {"region": _put_place(tensors, f"{name}.region", method.region)}
            return {"name": method.name} | asdict(replace(method, region=None)) | place
    raise TypeError(f"a recipe cannot hold a {type(method).__name__}")


def _method(tensors: Tensors, name: str, values: Mapping[str, Any] | None) -> EditMethod | None:
    if values is None:
        return None
    settings: dict[str, Any] = {**values, "region": _place(tensors, f"{name}.region", values["region"])}
    match settings.pop("name"):
        case CorrectedEdit.name:
            settings["ridge"] = Ridge(**settings["ridge"])
            return CorrectedEdit(**settings)
        case FollowedEdit.name:
            search = dict(settings.pop("search"))
            search["ridge"] = search["ridge"] and Ridge(**search["ridge"])
            return FollowedEdit(search=ReSeFa(**search), **settings)
        case other:
            raise ValueError(f"it holds an edit of unknown method {other!r:.40}")


def _put_change(tensors: Tensors, name: str, change: Change) -> dict[str, Any]:
    match change:
        case Move():
            direction = _put_direction(tensors, f"{name}.direction", change.direction)
            how = {
                "layers": _plain_layers(change.layers),
                "method": _put_method(tensors, f"{name}.method", change.method),
            }
            return {"direction": direction, "strength": change.strength} | how
        case Mix():
            return {
                "style": _put_latent(tensors, f"{name}.style", change.style),
                "layers": _plain_layers(change.layers),
            }
        case Borrow():
            part = _put_place(tensors, f"{name}.part", change.part)
            source = _put_latent(tensors, f"{name}.source", change.source)
            return {"source": source, "part": part, "strength": change.strength, "colors": change.colors}
        case InterpolateTo():
            target = _put_latent(tensors, f"{name}.target", change.target)
            return {"target": target, "t": change.t, "layers": _plain_layers(change.layers)}
        case Drag():
            movable = change.request.movable  # kept with all its masks' pixels, so that the drag goes as it went
            kept = None if movable is None else _put_region(tensors, f"{name}.movable", movable)
            settings = {"space": change.space, "layers": _plain_layers(change.layers), "feature": change.feature}
            return request_as_json(replace(change.request, movable=None)) | {"movable": kept} | settings
        case Draw():
            tensors[f"{name}.colors"], tensors[f"{name}.alpha"] = change.drawing.colors, change.drawing.alpha
            return {"name": change.drawing.name, "settings": asdict(change.settings)}
    raise TypeError(f"a recipe cannot hold a {type(change).__name__}")


def _change(tensors: Tensors, name: str, values: Mapping[str, Any]) -> Change:
    layers = _layers(values.get("layers"))
    match values["kind"]:
        case "move":
            direction = _direction(tensors, f"{name}.direction", values["direction"])
            strength = values["strength"]
            direction.length(strength)  # raises for what is no strength
            return Move(direction, strength, layers, _method(tensors, f"{name}.method", values.get("method")))
        case "mix":
            return Mix(_latent(tensors, f"{name}.style", values["style"]), layers)
        case "borrow":
            part = _place(tensors, f"{name}.part", values["part"])
            if part is None:
                raise ValueError("it holds an operation that borrows nothing")
            source = _latent(tensors, f"{name}.source", values["source"])
            return Borrow(source, part, number(values["strength"]), values["colors"] is True)
        case "interpolate":
            return InterpolateTo(_latent(tensors, f"{name}.target", values["target"]), number(values["t"]), layers)
        case "drag":
            request = request_of({**values, "movable": None})
            if values["movable"] is not None:
                movable = region_of_json(values["movable"], _within(tensors, f"{name}.movable"))
                request = replace(request, movable=movable)
            return Drag(request, _text(values["space"]), layers, _text(values["feature"]))
        case "sketch":
            settings = dict(values["settings"])
            settings["terms"] = LossWeights(**settings["terms"])
            drawing = Sketch(str(values["name"]), tensors[f"{name}.colors"], tensors[f"{name}.alpha"])
            return Draw(drawing, SketchSettings(**settings))
        case other:
            raise ValueError(f"it holds an operation of unknown kind {other!r:.40}")


def _put_latent(tensors: Tensors, name: str, latent: Latent) -> dict[str, Any]:
    parts, header = latent.stored()
    tensors |= {f"{name}.{part}": values for part, values in parts.items()}
    return header


def _latent(tensors: Tensors, name: str, header: Mapping[str, Any]) -> Latent:
    return stored_latent(_within(tensors, name), header)


def _put_direction(tensors: Tensors, name: str, direction: Direction) -> dict[str, Any]:
    parts, header = Directions.of(direction).stored()
    tensors |= {f"{name}.{part}": values for part, values in parts.items()}
    return header


def _direction(tensors: Tensors, name: str, header: Mapping[str, Any]) -> Direction:
    return stored_directions(_within(tensors, name), header)[0]


def _put_place(tensors: Tensors, name: str, region: Region | Part | str | None) -> Any:
    if isinstance(region, Part):
        return part_text(region)
    return _put_region(tensors, name, region) if isinstance(region, Region) else region


def _place(tensors: Tensors, name: str, value: Any) -> Region | str | None:
    return value if value is None or isinstance(value, str) else region_of_json(value, _within(tensors, name))


def _put_region(tensors: Tensors, name: str, region: Region) -> dict[str, Any]:
    description, masks = region_as_json(region)
    tensors |= {f"{name}.{index}": mask for index, mask in enumerate(masks)}
    return description


def _within(tensors: Tensors, name: str) -> Tensors:
    """Return the tensors whose names begin with `name` and a dot, without that."""
    start = f"{name}."
    return {full.removeprefix(start): part for full, part in tensors.items() if full.startswith(start)}


def _plain_layers(layers: Layers) -> Any:
    return layers if layers is None or isinstance(layers, int | str) else [int(layer) for layer in layers]


def _layers(value: Any) -> Layers:
    if value is None or isinstance(value, str):
        return value
    return [whole(layer, 0, 10_000) for layer in (value if isinstance(value, list) else [value])]


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"{value!r:.40} is no text")
