"""A session as JSON: the codes that it began with and every drag as it was done, enough to do it again to the same
image. Everything that is read may be hostile: it is data, of bounded size, checked before use.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.drag.context import DragContext, code_space_of
from ganvas.drag.request import DragRequest
from ganvas.drag.request_json import request_as_json, request_of
from ganvas.drag.run import FinishedDrag
from ganvas.drag.sampling import Plane
from ganvas.drag.session import DragSession
from ganvas.drag.state import CANCELED
from ganvas.errors import LatentError, ResultFileError
from ganvas.generators.codes import check_space
from ganvas.generators.protocol import Generator, about_of, feature_extent
from ganvas.io.files import atomic_path
from ganvas.io.json_files import made_of, number, read_json, whole
from ganvas.latents.latent import Latent

KIND, VERSION = "drag", 2
MAX_DRAGS = 1000


@dataclass(frozen=True)
class Trace:
    """What a trace file holds: codes [1, *code] of ``code_space`` at the start, by what they were dragged, and the
    drags as they were asked for. ``own_weights`` says that the image has noise maps or tuned weights, which are in its
    latent file only.
    """

    generator: str
    generator_hash: str
    space: str
    layers: tuple[int, ...]
    feature: str
    label: int | None
    truncation: float
    own_weights: bool
    codes: Tensor
    requests: tuple[DragRequest, ...]

    @property
    def code_space(self) -> str:
        """The space of the codes: z, or w+ for a drag in w or w+."""
        return code_space_of(self.space)

    def latent(self, weights: Latent | None = None) -> Latent:
        """Return the image before its first drag, with noise maps and tuned weights of `weights`; raises `LatentError`
        where it needs them and none are given.
        """
        if self.own_weights and weights is None:
            raise LatentError(
                "This drag's image has noise maps or weights of its own, which a trace does not hold; give its latent "
                "file by --latent."
            )
        return Latent(
            self.codes, self.code_space, (), (), self.label, self.truncation,
            generator=self.generator, generator_hash=self.generator_hash,
            noise={} if weights is None else weights.noise, tuned={} if weights is None else weights.tuned,
        )  # fmt: skip

    def open(self, generator: Generator, weights: Latent | None = None) -> DragSession:
        """Return the session before its first drag; raises `GanvasError` where the generator is another kind, warns
        where it is another one of the same kind.
        """
        latent = self.latent(weights)
        generator = latent.generator_for(generator)
        check_space(self.space, generator.spaces)
        expected = generator.dimensions(self.code_space)
        if tuple(self.codes.shape[1:]) != expected:
            raise ResultFileError(
                f"This drag was done on a generator of another shape ({self.generator or 'unnamed'}): its codes have "
                f"shape {list(self.codes.shape[1:])}, this generator wants {list(expected)}."
            )
        if self.feature not in generator.feature_names or any(layer >= generator.layers for layer in self.layers):
            raise ResultFileError(
                f"This drag followed the map '{self.feature}' and layers {list(self.layers)}; this generator has "
                f"{', '.join(generator.feature_names)} and {generator.layers} layers."
            )
        about_of(generator).warn_of_another(
            "This drag was done on", self.generator, self.generator_hash, "it may end elsewhere"
        )
        plane = Plane(generator.resolution, feature_extent(generator, self.feature))
        noise = latent.noise_for(generator)
        context = DragContext(
            generator, self.space, self.layers, self.feature, plane, self.label, self.truncation, noise
        )
        return DragSession(context, replace(latent, codes=self.codes.to(generator.device)))

    def replay(self, generator: Generator, weights: Latent | None = None) -> DragSession:
        """Do all drags again."""
        session = self.open(generator, weights)
        for request in self.requests:
            session = session.run(request)
        return session


def write_trace(path: str | Path, session: DragSession) -> Path:
    """Write a session as JSON, whole or not at all; returns the path. A drag that was canceled before its first step
    is left out: it changed nothing.
    """
    context, start = session.context, session.start
    about = about_of(context.generator)
    label = context.label[0] if isinstance(context.label, Sequence) and len(context.label) == 1 else context.label
    if not (label is None or isinstance(label, int)):
        raise ResultFileError("A trace keeps a class by its number; drag with a number as label.")
    content = {
        "kind": KIND,
        "version": VERSION,
        "generator": about.name,
        "generator_hash": about.hash,
        "space": context.space,
        "layers": list(context.layers),
        "feature": context.feature,
        "label": label,
        "truncation": context.truncation,
        "own_weights": bool(start.noise or start.tuned),
        "codes": start.codes.float().cpu().tolist(),
        "drags": [
            _drag_as_json(one, context.plane.resolution)
            for one in session.drags
            if one.steps > 0 or one.reason != CANCELED
        ],
    }
    with atomic_path(path, ResultFileError) as temporary:
        temporary.write_text(json.dumps(content, allow_nan=False) + "\n", "utf-8")
    return Path(path)


def _drag_as_json(finished: FinishedDrag, resolution: int) -> dict[str, Any]:
    request = replace(finished.request, method=finished.settings)
    canceled = {"steps": finished.steps} if finished.reason == CANCELED else {}
    return {
        **request_as_json(request, resolution),
        **canceled,
        "result": {
            "reason": finished.reason,
            "steps": finished.steps,
            "path": finished.path,
            "final_handles": finished.final_handles,
        },
    }


def read_trace(path: str | Path) -> Trace:
    """Read what `write_trace` wrote; raises `ResultFileError` with the reason for anything else."""
    content = read_json(path)
    return made_of(path, lambda: _trace(content), "a whole trace of drags; ganvas drag writes one as trace.json")


def _trace(content: Any) -> Trace:
    if not isinstance(content, Mapping) or content.get("kind") != KIND:
        raise ValueError("it is of another kind")
    if content.get("version") != VERSION:
        raise ValueError(f"it is of version {content.get('version')!r:.20}, and this Ganvas reads {VERSION}")
    drags, label = content["drags"], content["label"]
    if not isinstance(drags, list) or len(drags) > MAX_DRAGS:
        raise ValueError(f"its drags are no list of at most {MAX_DRAGS}")
    codes = torch.tensor(content["codes"], dtype=torch.float32)
    if codes.ndim not in (2, 3) or len(codes) != 1 or not codes.isfinite().all():
        raise ValueError("its codes are not those of one image")
    return Trace(
        str(content["generator"]),
        str(content["generator_hash"]),
        str(content["space"]),
        tuple(whole(layer, 0, 10_000) for layer in content["layers"]),
        str(content["feature"]),
        None if label is None else whole(label, 0, 2**31),
        number(content["truncation"]),
        content["own_weights"] is True,
        codes,
        tuple(request_of(drag) for drag in drags),
    )
