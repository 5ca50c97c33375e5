"""Any number of drags in a row on one image, with undo.

A session is plain data, a list of finished drags, so that undoing is leaving out the last one. Every drag begins with
fresh moments of the optimizer and a fresh reference, as if it were the first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.drag.context import DragContext, choose_context
from ganvas.drag.draggan import DragGANSettings
from ganvas.drag.request import DEFAULT_STEPS, DragRequest, as_pairs
from ganvas.drag.run import DragRun, FinishedDrag
from ganvas.drag.settings import DragSettings
from ganvas.errors import GanvasError, LatentError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Steps
from ganvas.generators.codes import Layers
from ganvas.generators.protocol import Generator
from ganvas.io.progress import Progress, silent
from ganvas.latents.latent import Latent
from ganvas.regions import Region

Points = Sequence[Sequence[Sequence[float | int]]]
"""Pairs of handle and target, ((x, y), (x, y)), in fractions of width and height."""


@runtime_checkable
class ConfinesImages(Protocol):
    """Paints an edit so that its images differ from the original's in a region only: `ganvas.edits.confine`."""

    def images(self, generator: Generator, latent: Latent, edited: Latent) -> Tensor:
        """Return the confined images [n, 3, h, w] of an edit."""
        ...


@dataclass(frozen=True, repr=False)
class DragSession:
    """An image and the drags done to it, the last of which gave its latent. A change is a new session.

    Attributes:
        context: The generator, the space and layers that move, and the feature map that is followed.
        start: The latent before the first drag, in the context's ``code_space``.
        drags: The finished drags, in order.
        confinement: Where images may differ from the one at the start; None for everywhere.
    """

    context: DragContext
    start: Latent
    drags: tuple[FinishedDrag, ...] = ()
    confinement: ConfinesImages | None = None

    def __repr__(self) -> str:
        context, done = self.context, [f"{one.request.method.method} {one.reason}" for one in self.drags]
        layers = f", layers {list(context.layers)}" if context.layers else ""
        return f"DragSession(space {context.space}{layers}, map {context.feature}: {', '.join(done) or 'no drag yet'})"

    @property
    def codes(self) -> Tensor:
        """The codes after the last drag, [1, d] or [1, layers, d], on the generator's device."""
        return self.drags[-1].codes if self.drags else self.start.codes

    @property
    def latent(self) -> Latent:
        """The latent after the last drag, on the CPU, with all that is known of the one at the start."""
        if not self.drags:
            return replace(self.start, codes=self.codes.cpu())
        return replace(self.start, codes=self.codes.cpu(), names=(f"{self.start.captions[0]}, dragged",))

    @torch.no_grad()
    def image(self, codes: Tensor | None = None) -> Float[Tensor, "1 3 h w"]:
        """Return the image of codes in the context's ``code_space``, by default of the present ones, on the CPU."""
        codes = self.codes if codes is None else codes.to(self.start.codes)
        if self.confinement is not None:
            edited = replace(self.start, codes=codes)
            return self.confinement.images(self.context.generator, self.start, edited).float().cpu()
        return self.context.render(self.context.feature_map(codes), codes).float().cpu()

    @checked
    def drag(
        self,
        points: Points,
        method: DragSettings | None = None,
        movable: Region | None = None,
        steps: Steps = DEFAULT_STEPS,
        canceled: Callable[[], bool] = lambda: False,
        progress: Progress = silent,
    ) -> "DragSession":
        """Drag handles to their targets.

        Args:
            points: Pairs ``((x, y), (x, y))`` of handle and target, in fractions of width and height.
            method: `DragGANSettings` (None: its defaults) or `FreeDragSettings`.
            movable: The region that may move; None: all of the image.
            steps: Largest number of steps.
            canceled: Asked before each step; True ends the drag.
            progress: Called after each step with the steps taken and the limit.

        Returns:
            The session after the drag, which is its ``drags[-1]``.

        Raises:
            RegionError: For points off the image, or handles that the region does not let move.
        """
        request = DragRequest(as_pairs(points), method or DragGANSettings(), movable, steps)
        return self.run(request, canceled, progress)

    def run(
        self, request: DragRequest, canceled: Callable[[], bool] = lambda: False, progress: Progress = silent
    ) -> "DragSession":
        """Return the session after one more drag; see `begin` for the states of one."""
        run = self.begin(request)
        states = iter(run)
        while not canceled() and next(states, None) is not None:
            progress("Dragging", run.state.steps, request.steps)
        return self.with_drag(run.finish())

    def begin(self, request: DragRequest) -> DragRun:
        """Return a drag of this image, which yields its states; `with_drag` then takes what it finishes as."""
        return DragRun(self.context, self.codes, request)

    def with_drag(self, finished: FinishedDrag) -> "DragSession":
        """Return the session after a drag that was begun by `begin`."""
        return replace(self, drags=(*self.drags, finished))

    def undo(self) -> "DragSession":
        """Return the session without its last drag.

        Raises:
            GanvasError: Where there is none.
        """
        if not self.drags:
            raise GanvasError("There is no drag to undo.")
        return replace(self, drags=self.drags[:-1])


@checked
def open_drag(
    generator: Generator,
    latent: Latent | Tensor,
    *,
    space: str | None = None,
    layers: Layers = None,
    feature: str | None = None,
) -> DragSession:
    """Open the session of one image, in which handles can be dragged.

    Args:
        generator: The generator of the latent.
        latent: The image to drag, one code; its own noise and tuned weights are used.
        space: Where the image moves: "w+" (each layer by itself), "w" (one shift for all layers) or "z". None: w+ where
            there is one, else z.
        layers: Layers of w+ that are optimized, such as "0-5". None: the first 6 of 17, in proportion.
        feature: Name of the feature map that is followed. None: the finest of at most min(128, R / 2) pixels.

    Returns:
        The session, without any drag yet.

    Raises:
        LatentError: For what is no `Latent` of one image, a latent that cannot be brought to the space, and for a
            space, layers or a map that the generator does not have.

    Example:
        >>> import torch, ganvas
        >>> layers = torch.nn.Unflatten(1, (3, 4, 4)), torch.nn.Upsample(scale_factor=4)
        >>> G = ganvas.wrap(torch.nn.Sequential(*layers).eval(), z_dim=48)
        >>> session = ganvas.open_drag(G, ganvas.sample(G, [4]))
        >>> session
        DragSession(space z, map 0: no drag yet)
    """
    if not isinstance(latent, Latent):
        raise LatentError(
            f"A drag begins with a Latent, which knows its space; {type(latent).__name__} was given. Give "
            'Latent(codes, "w+"), or sample(G, [4]).'
        )
    if len(latent) != 1:
        raise LatentError(f"One image is dragged at a time; {len(latent)} codes were given. Choose one: latent[0].")
    generator = latent.generator_for(generator)
    label, noise = latent.label, latent.noise_for(generator)
    context = choose_context(generator, space, layers, feature, label, latent.truncation, noise)
    with torch.no_grad():
        start = latent.to_space(generator, context.code_space)
    return DragSession(context, replace(start, codes=start.codes.detach().to(generator.device)))


@checked
def drag_points(
    generator: Generator,
    latent: Latent | Tensor,
    points: Points,
    method: DragSettings | None = None,
    *,
    movable: Region | None = None,
    steps: Steps = DEFAULT_STEPS,
    space: str | None = None,
    layers: Layers = None,
    feature: str | None = None,
    progress: Progress = silent,
) -> DragSession:
    """Drag handles of one image to their targets, in one call (`ganvas.drag` is the package with the methods).

    Args:
        generator: The generator of the latent.
        latent: The image to drag, one code.
        points: Pairs ``((x, y), (x, y))`` of handle and target, in fractions of width and height.
        method: `DragGANSettings` (None: its defaults) or `FreeDragSettings`.
        movable: The region that may move; None: all of the image.
        steps: Largest number of steps.
        space: As in `open_drag`.
        layers: As in `open_drag`.
        feature: As in `open_drag`.
        progress: Called after each step with the steps taken and the limit.

    Returns:
        The session: ``.latent`` is the dragged image's, ``.drags[-1]`` says how the drag ended.

    Raises:
        LatentError: As in `open_drag`.
        RegionError: For points off the image, or handles that the region does not let move.

    Example:
        >>> import torch, ganvas
        >>> layers = torch.nn.Unflatten(1, (3, 4, 4)), torch.nn.Upsample(scale_factor=4)
        >>> G = ganvas.wrap(torch.nn.Sequential(*layers).eval(), z_dim=48)
        >>> session = ganvas.drag_points(G, ganvas.sample(G, [4]), [((0.3, 0.5), (0.6, 0.5))], steps=2)
        >>> len(session.drags), session.latent.space
        (1, 'z')
    """
    session = open_drag(generator, latent, space=space, layers=layers, feature=feature)
    return session.drag(points, method, movable, steps, progress=progress)
