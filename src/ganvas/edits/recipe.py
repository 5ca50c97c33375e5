"""Recipes: a base latent and an ordered list of operations, the one document that edits, videos and replays share.

A recipe is data and is never changed in place; what it makes is a pure function of it and of the generator
(`ganvas.render`). Undoing is leaving out the last operation.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from ganvas.directions.direction import Direction, Strength
from ganvas.drag.draggan import DragGANSettings
from ganvas.drag.request import DEFAULT_STEPS, DragRequest, as_pairs
from ganvas.drag.session import DragSession, Points
from ganvas.drag.settings import DragSettings
from ganvas.drag.state import CANCELED
from ganvas.edits.confine import Confinement, ConfineSettings
from ganvas.edits.operations import Borrow, Change, Drag, Draw, InterpolateTo, Mix, Move, Operation
from ganvas.edits.recipe_files import read_recipe, write_recipe
from ganvas.edits.straight import EditMethod
from ganvas.errors import GanvasError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Fraction, Steps
from ganvas.generators.codes import Layers
from ganvas.inversion.sketch.search import SketchSettings
from ganvas.inversion.sketch.target import Sketch
from ganvas.latents.latent import Latent
from ganvas.regions import Region
from ganvas.regions.part import Part


@checked
@dataclass(frozen=True, eq=False, repr=False)
class Recipe:
    """A base latent and the operations done to it, in order. Its methods return a new recipe with one more operation.

    An operation inside a region changes the image there only: outside, not one bit differs from what was before. Every
    region has a code of its own, which begins as the base's and takes the operations inside that region and those of
    the whole image; where regions overlap, the later one lies on top.

    Args:
        base: The seed, file or photo that it begins with.
        operations: What is done to it.
        settings: Width and side of the rims of its regions.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> base = ganvas.sample(G, [4], truncation=0.7)
        >>> recipe = ganvas.Recipe(base).mix(ganvas.sample(G, [9]), "fine").interpolate(ganvas.sample(G, [7]), 0.5)
        >>> recipe
        Recipe(seed 4: mix in layers fine of seed 9; go 50 % of the way to seed 7)
        >>> recipe.undo()
        Recipe(seed 4: mix in layers fine of seed 9)
    """

    base: Latent
    operations: tuple[Operation, ...] = ()
    settings: ConfineSettings = ConfineSettings()

    def __repr__(self) -> str:
        captions = self.base.captions
        begun = captions[0] if len(captions) == 1 else f"{captions[0]} and {len(captions) - 1} more"
        return f"Recipe({begun}: {'; '.join(map(str, self.operations)) or 'no operation yet'})"

    def __len__(self) -> int:
        return len(self.operations)

    def add(self, change: Change, inside: Region | Part | str | None = None) -> "Recipe":
        """Return the recipe with one more operation."""
        return replace(self, operations=(*self.operations, Operation(change, inside)))

    @checked
    def move(
        self,
        direction: Direction,
        strength: Strength = 1.0,
        *,
        layers: Layers = None,
        method: EditMethod | None = None,
        inside: Region | Part | str | None = None,
    ) -> "Recipe":
        """Move along a direction, as `ganvas.edit` does.

        Args:
            direction: The direction.
            strength: The Euclidean distance, or "2s" for two standard deviations.
            layers: Layers to move, instead of those that a direction of space w was found for.
            method: How to go there: None for straight, or as in `ganvas.edit`.
            inside: The region or part outside of which nothing may change; None for all of the image.

        Raises:
            LatentError: The strength is none.
        """
        direction.length(strength)  # what is no strength is refused here, not when the recipe is rendered
        return self.add(Move(direction, strength, layers, method), inside)

    @checked
    def mix(self, style: Latent, layers: Layers, *, inside: Region | Part | str | None = None) -> "Recipe":
        """Take some layers of another latent, as `ganvas.mix` does.

        Args:
            style: The other latent.
            layers: "coarse", "middle", "fine", or numbers such as "4-7".
            inside: As in `move`.
        """
        return self.add(Mix(style, layers), inside)

    @checked
    def borrow(
        self,
        source: Latent,
        part: Region | Part | str,
        *,
        strength: Fraction = 1.0,
        colors: bool = False,
        inside: Region | Part | str | None = None,
    ) -> "Recipe":
        """Take a part of another image, as `ganvas.borrow` does.

        Args:
            source: The image that has the part.
            part: The part or region.
            strength: How much of it, from 0 to 1.
            colors: Whether colors and texture come along.
            inside: As in `move`; None for the part itself.
        """
        return self.add(Borrow(source, part, strength, colors), part if inside is None else inside)

    @checked
    def interpolate(
        self, target: Latent, t: float, *, layers: Layers = None, inside: Region | Part | str | None = None
    ) -> "Recipe":
        """Go a part of the straight way to another latent.

        Args:
            target: The other latent.
            t: How far: 0 stays, 1 arrives; beyond both it goes on.
            layers: Layers that change; None for all.
            inside: As in `move`.
        """
        return self.add(InterpolateTo(target, t, layers), inside)

    @checked
    def drag(
        self,
        points: Points,
        method: DragSettings | None = None,
        *,
        movable: Region | None = None,
        steps: Steps = DEFAULT_STEPS,
        space: str | None = None,
        layers: Layers = None,
        feature: str | None = None,
        inside: Region | Part | str | None = None,
    ) -> "Recipe":
        """Drag handles to targets, as `ganvas.drag_points` does with the same arguments.

        Args:
            points: Pairs ``((x, y), (x, y))`` of handle and target, in fractions of width and height.
            method: `DragGANSettings` (None: its defaults) or `FreeDragSettings`.
            movable: The region that may move by the method's own mask loss; None: all of the image.
            steps: Largest number of steps.
            space: As in `ganvas.open_drag`.
            layers: As in `ganvas.open_drag`.
            feature: As in `ganvas.open_drag`.
            inside: As in `move`.

        Raises:
            RegionError: For points off the image.
        """
        request = DragRequest(as_pairs(points), method or DragGANSettings(), movable, steps)
        return self.add(Drag(request, space, layers, feature), inside)

    @checked
    def sketch(
        self,
        colors: Float[Tensor, "1 3 h w"],
        alpha: Float[Tensor, "1 alpha_h alpha_w"],
        settings: SketchSettings = SketchSettings(),
        *,
        name: str = "a sketch",
        inside: Region | Part | str | None = None,
    ) -> "Recipe":
        """Search for the image nearby that matches a drawing where it is opaque (one candidate of `ganvas.sketch`).

        Args:
            colors: [1, 3, r, r] in [-1, 1], of `ganvas.read_sketch`.
            alpha: [1, r, r] in [0, 1]: where the drawing counts.
            settings: The loss and the optimizer; its candidates are not used. `keep` says how much what is not drawn
                stays as it is.
            name: What the drawing is called.
            inside: As in `move`.
        """
        return self.add(Draw(Sketch(name, colors, alpha), settings), inside)

    def undo(self) -> "Recipe":
        """Return the recipe without its last operation; raises `GanvasError` where there is none."""
        if not self.operations:
            raise GanvasError("This recipe has no operation to undo.")
        return replace(self, operations=self.operations[:-1])

    @checked
    def enable(self, index: int, enabled: bool = True) -> "Recipe":
        """Return the recipe with an operation, counted from 0, switched on or off.

        Raises:
            GanvasError: There is no such operation.
        """
        if not 0 <= index < len(self.operations):
            raise GanvasError(f"Operation {index} does not exist: this recipe has {len(self.operations)}, from 0.")
        changed = replace(self.operations[index], enabled=enabled)
        return replace(self, operations=(*self.operations[:index], changed, *self.operations[index + 1 :]))

    @property
    def active(self) -> tuple[Operation, ...]:
        """The operations that are enabled."""
        return tuple(one for one in self.operations if one.enabled)

    def save(self, path: str | Path) -> Path:
        """Write JSON, and beside it ``<path>.safetensors`` with the tensors; `ganvas.load_recipe` reads both. Returns
        the path of the JSON file.
        """
        return write_recipe(path, self.base, self.operations, self.settings)


def recipe_of_drags(session: DragSession) -> Recipe:
    """Return the recipe of a session's drags, with the settings that each was done with."""
    context, confinement = session.context, session.confinement
    recipe, inside = Recipe(session.start), None
    if isinstance(confinement, Confinement):
        recipe, inside = Recipe(session.start, settings=confinement.settings), confinement.inside
    for done in session.drags:
        steps = done.steps if done.reason == CANCELED else done.request.steps
        request = replace(done.request, method=done.settings, steps=max(steps, 1))
        if done.steps or done.reason != CANCELED:  # one that was canceled before its first step changed nothing
            recipe = recipe.add(Drag(request, context.space, context.layers or None, context.feature), inside)
    return recipe


@checked
def load_recipe(path: str | Path) -> Recipe:
    """Read a recipe that `Recipe.save` wrote.

    Args:
        path: The JSON file; its tensors lie beside it.

    Returns:
        The recipe.

    Raises:
        ResultFileError: A file is missing or damaged, or its tensors are those of another recipe.

    Example:
        >>> import ganvas, tempfile
        >>> recipe = ganvas.Recipe(ganvas.sample(ganvas.load("faces"), [4]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ganvas.load_recipe(recipe.save(f"{folder}/four.recipe"))
        Recipe(seed 4: no operation yet)
    """
    return Recipe(*read_recipe(path))
