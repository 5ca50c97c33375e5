"""Drags from start to end: any number of them in a row on one image, each ending for a reason; undo.

States are plain data and a session is a list of finished drags, so that undoing is leaving out the last one. Every
drag begins with fresh moments of the optimizer and a fresh reference, as if it were the first.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.drag import draggan, freedrag
from ganvas.drag.defaults import choose_subject
from ganvas.drag.freedrag_state import FreeDrag
from ganvas.drag.masks import check_task, settled
from ganvas.drag.state import (
    CANCELED,
    STEP_LIMIT,
    Drag,
    Point,
    Settings,
    State,
    Subject,
    Task,
    begin,
)
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.codes import Layers
from ganvas.generators.protocol import Generator, Label, Noise
from ganvas.latents.spaces import to_space
from ganvas.regions import Region

METHODS: dict[str, ModuleType] = {"draggan": draggan, "freedrag": freedrag}
SETTINGS: dict[str, type[Settings]] = {"draggan": draggan.DragGAN, "freedrag": FreeDrag}
STEPS = 300  # the papers' limit when they measure


@dataclass(frozen=True)
class Order:
    """A drag as asked for: what, by which method, in at most how many steps; ``changes`` are settings other than the
    usual ones, by name.
    """

    task: Task
    method: str = "draggan"
    steps: int = STEPS
    changes: tuple[tuple[str, float | int], ...] = ()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise GanvasError(f"There is no way to drag called '{self.method}'; choose {' or '.join(METHODS)}.")
        if self.steps < 1:
            raise GanvasError(f"A drag of {self.steps} steps moves nothing; give at least 1.")
        known = SETTINGS[self.method].__dataclass_fields__
        for name, _ in self.changes:
            if name not in known:
                raise GanvasError(f"{self.method} has no setting '{name}'; it has {', '.join(known)}.")


@dataclass(frozen=True)
class Done:
    """A finished drag: the order, the settings that were used, the codes after it [1, *code] in ``code_space``, and why
    it ended after so many steps.

    All in fractions: ``path`` holds the points at each step (the last: in the end), DragGAN's tracked handles or
    FreeDrag's anchors, which lead the content; ``places`` is where the method's own features find each handle's
    content in the end, None where they do not.
    """

    order: Order
    settings: Settings
    after: Tensor
    path: tuple[tuple[Point, ...], ...]
    places: tuple[Point | None, ...]
    steps: int
    reason: str


@dataclass(frozen=True)
class Session:
    """An image and the drags done to it, the last of which gave its ``codes``. A change is a new session."""

    subject: Subject
    start: Tensor
    done: tuple[Done, ...] = ()

    @property
    def codes(self) -> Tensor:
        """The codes after the last drag, [1, *code] in the subject's ``code_space``."""
        return self.done[-1].after if self.done else self.start

    @torch.no_grad()
    def image(self, codes: Tensor | None = None) -> Float[Tensor, "1 3 h w"]:
        """Return the image of codes of ``code_space``, by default of the present ones, on the CPU."""
        codes = self.codes if codes is None else codes.to(self.start)
        return self.subject.paint(self.subject.feature_of(codes), codes).float().cpu()

    def undo(self) -> "Session":
        """Return the session without its last drag; raises `GanvasError` where there is none."""
        if not self.done:
            raise GanvasError("There is no drag to undo.")
        return replace(self, done=self.done[:-1])

    def drag(self, order: Order, canceled: Callable[[], bool] = lambda: False) -> "Session":
        """Return the session after one more drag; see `run` for the steps of one."""
        drag, first = prepare(self.subject, self.codes, order)
        state, path = first, []
        for state in run(drag, first, order, canceled):
            path.append(fractions(state, self.subject))
        return self.with_done(order, drag, path, state)

    def with_done(self, order: Order, drag: Drag[Any], path: Sequence[tuple[Point, ...]], last: State) -> "Session":
        """Return the session after a drag that was run elsewhere: where its points were, and its last state."""
        found = METHODS[order.method].located(drag, last)
        places = tuple(None if place is None else _fraction(place, self.subject) for place in found)
        done = Done(order, drag.settings, last.seen_codes, tuple(path), places, last.steps, last.reason or CANCELED)
        return replace(self, done=(*self.done, done))


def open_session(
    generator: Generator,
    codes: Tensor,
    space: str | None = None,
    layers: Layers = None,
    feature: str | None = None,
    label: Label = None,
    truncation: float = 1.0,
    noise: Noise = "const",
    code_space: str | None = None,
) -> Session:
    """Return the session of one image: codes [1, *code] of `code_space`, dragged in `space`.

    By default it is dragged in w+ where there is one, else in z, and codes are of w or w+ (told by their shape), or of
    z in a drag in z. For a drag of z codes in w or w+ say ``code_space="z"``: z and w often have one shape, and only z
    is still to be mapped. Label and truncation count for codes of z. Raises `LatentError` for what `choose_subject`
    refuses, for codes of another space, for more than one image, and for a label or a truncation that other codes
    have behind them.
    """
    if len(codes) != 1:
        raise LatentError(f"One image is dragged at a time; {len(codes)} codes were given.")
    subject = choose_subject(generator, space, layers, feature, label, truncation, noise)
    codes = codes.detach().to(generator.device)
    if subject.space == "z":
        if code_space not in (None, "z"):
            raise LatentError(f"No way leads from {code_space} back to z; drag in w or w+, or give codes of z.")
    elif code_space == "z":
        with torch.no_grad():
            codes = generator.map(codes, to="w+", label=label, truncation=truncation)
    elif label is not None or truncation != 1:
        raise LatentError(
            "Label and truncation count for codes of z, and these are taken for w or w+, which have them behind them; "
            'say code_space="z", or leave both out.'
        )
    if subject.space != "z":
        subject = replace(subject, label=None, truncation=1.0)
    if subject.space != "z" and code_space == "z":
        code_space = "w+"
    if code_space is None:
        fits = tuple(codes.shape[1:]) == generator.dimensions(subject.code_space)
        code_space = subject.code_space if fits else "w+" if codes.ndim == 3 else "w"
    return Session(subject, to_space(generator, codes, code_space, subject.code_space))


def prepare(subject: Subject, codes: Tensor, order: Order) -> tuple[Drag[Any], State]:
    """Return a drag and its first state; raises `RegionError` for points that the mask does not let move.

    A mask counts by the 8-bit pixels that a trace keeps of it, so that a replay finds the same codes.
    """
    method, resolution = METHODS[order.method], subject.plane.resolution
    task = replace(order.task, movable=settled(order.task.movable, resolution))
    fixed = begin(subject, codes, task)
    if not fixed.feature.isfinite().all():
        raise GanvasError(
            "The generator's feature map holds values that are not finite (nan or inf) before any step: its weights or "
            "the codes are damaged."
        )
    settings = method.default_settings(subject, fixed, dict(order.changes))
    check_task(task, resolution, settings.radius)
    drag = Drag(subject, fixed, settings)
    return drag, method.start(drag, codes)


def run(drag: Drag[Any], state: State, order: Order, canceled: Callable[[], bool] = lambda: False) -> Iterator[State]:
    """Yield the state after every step; the last one has a reason, and codes that were looked at (``seen_codes``).

    `canceled` is asked before each step.
    """
    method = METHODS[order.method]
    while not state.reason:
        if canceled():
            state = ended(drag, state, order.method, CANCELED)
        elif state.steps >= order.steps:
            state = ended(drag, state, order.method, STEP_LIMIT)
        else:
            state = whole_at_end(drag, method.step(drag, state))
        yield state


@torch.no_grad()
def whole_at_end(drag: Drag[Any], state: State) -> State:
    """Return the state; one with a reason with all of its map, in which content is looked for."""
    return replace(state, feature=drag.subject.feature_of(state.seen_codes)) if state.reason else state


@torch.no_grad()
def ended(drag: Drag[Any], state: State, method: str, reason: str) -> State:
    """Return a state that is to end for `reason` with its codes looked at once more, which may find another one; no
    point is sent on.
    """
    state = METHODS[method].look(drag, state, drag.subject.feature_of(state.codes))
    return replace(whole_at_end(drag, state), reason=state.reason or reason)


def fractions(state: State, subject: Subject) -> tuple[Point, ...]:
    """Return where the points of a state are, in fractions of the image."""
    return tuple(_fraction(point, subject) for point in state.points)


def _fraction(point: Tensor, subject: Subject) -> Point:
    x, y = (point / subject.plane.resolution).tolist()
    return x, y


def drag_points(
    generator: Generator,
    codes: Tensor,
    points: Sequence[tuple[Point, Point]],
    *,
    method: str = "draggan",
    movable: Region | None = None,
    steps: int = STEPS,
    space: str | None = None,
    layers: Layers = None,
    feature: str | None = None,
    label: Label = None,
    truncation: float = 1.0,
    noise: Noise = "const",
    code_space: str | None = None,
    **settings: float,
) -> Done:
    """Drag points of one image: each handle (x, y) to its target, in fractions; returns what `Done` says.

    The image is ``generator.synthesize(done.after, ...)``, in w+ where the generator has it, else in z with the same
    label and truncation. All but the points is as in `open_session`; `settings` are those of the method, such as
    ``rate`` or ``radius``.
    """
    task = Task(tuple(handle for handle, _ in points), tuple(target for _, target in points), movable)
    session = open_session(generator, codes, space, layers, feature, label, truncation, noise, code_space)
    return session.drag(Order(task, method, steps, tuple(settings.items()))).done[-1]
