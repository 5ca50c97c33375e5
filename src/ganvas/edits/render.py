"""What a recipe makes: the codes of its regions, then one image in which each region is painted by its own.

Both are pure functions of recipe and generator. The states after each operation are kept by those who ask again
(`States`), so that a change of the last operation costs one operation.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.find import region_of
from ganvas.directions.jacobian import WORK
from ganvas.edits.confine import ConfinedImages, ConfineSettings, confine
from ganvas.edits.operations import Change, Move, Operation
from ganvas.edits.passes import Passes
from ganvas.edits.recipe import Recipe
from ganvas.edits.straight import Way, way_along
from ganvas.errors.arguments import checked
from ganvas.generators.protocol import Generator, check_generator
from ganvas.io.progress import Progress
from ganvas.latents.latent import Latent
from ganvas.regions import Region
from ganvas.regions.part import Part

Operations = tuple[Operation, ...]
MOST_STATES = 64
MOST_WAYS = 4  # of strong edits, each with a Jacobian


@dataclass(frozen=True)
class RecipeState:
    """The codes after some operations: the `latent` of the whole image, and those of the regions, in the order in which
    they were first used; a later one lies on top.
    """

    latent: Latent
    confined: tuple[tuple[Region | Part, Latent], ...] = ()


@dataclass
class States:
    """The states of the recipes that were evaluated last, by their base and operations, which are the same where they
    are the same objects; and the ways of strong edits, so that another strength of one costs no derivatives.
    ``progress`` is called while such a way is found.
    """

    kept: OrderedDict[tuple[int, ...], tuple[Latent, Operations, RecipeState]] = field(default_factory=OrderedDict)
    passes: Passes = field(default_factory=Passes)
    ways: OrderedDict[tuple[object, ...], tuple[object, Way]] = field(default_factory=OrderedDict)
    progress: Progress | None = None

    def longest(self, base: Latent, operations: Operations) -> tuple[int, RecipeState]:
        """Return how many of the first operations are done in a state that is kept, and that state."""
        for count in range(len(operations), 0, -1):
            if (key := _key(base, operations[:count])) in self.kept:
                self.kept.move_to_end(key)
                return count, self.kept[key][-1]
        return 0, RecipeState(base)

    def keep(self, base: Latent, operations: Operations, state: RecipeState) -> None:
        """Keep a state, and drop the one that was used longest ago where there are too many."""
        self.kept[_key(base, operations)] = base, operations, state  # the objects too, so that no other gets their id
        if len(self.kept) > MOST_STATES:
            self.kept.popitem(last=False)

    def apply(self, generator: Generator, change: Change, latent: Latent) -> Latent:
        """Return what a change makes of a latent."""
        if not isinstance(change, Move) or change.method is None:
            return change.apply(generator, latent)
        key = id(generator), id(latent), id(change.direction), id(change.method), str(change.layers)
        if key not in self.ways:
            self._report(WORK, 0, 1)
            way = way_along(generator, latent, change.direction, change.layers, change.method, self._report)
            self.ways[key] = (generator, latent, change), way
            if len(self.ways) > MOST_WAYS:
                self.ways.popitem(last=False)
        self.ways.move_to_end(key)
        return self.ways[key][-1](change.direction.length(change.strength))

    def _report(self, what: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(what, done, total)


def _key(base: Latent, operations: Operations) -> tuple[int, ...]:
    return id(base), *map(id, operations)


def evaluate(generator: Generator, recipe: Recipe, states: States | None = None) -> RecipeState:
    """Return the codes that a recipe leads to.

    An operation inside a region changes the code of this region, which begins as that of the whole image; one without
    a region changes all codes. One that searches (a drag, a drawing) searches once, from the code of the whole image,
    and moves the codes of the regions by the same difference.
    """
    states, operations = states or States(), recipe.active
    done, state = states.longest(recipe.base, operations)
    for count in range(done, len(operations)):
        state = _after(generator, state, operations[count], states)
        states.keep(recipe.base, operations[: count + 1], state)
    return state


def start_of(generator: Generator, recipe: Recipe, inside: Region | Part | str | None, states: States) -> Latent:
    """Return the latent from which one more operation of a recipe begins, inside a region or in all of the image."""
    state = evaluate(generator, recipe, states)
    if inside is None:
        return state.latent
    return dict(state.confined).get(region_of(generator, inside)[1], state.latent)


def with_result(generator: Generator, recipe: Recipe, operation: Operation, latent: Latent, states: States) -> Recipe:
    """Return a recipe with one more operation that was done already, from `start_of`, and led to `latent`: the states
    keep the result, so that it is not searched for again.
    """
    state = _after(generator, evaluate(generator, recipe, states), operation, states, latent)
    states.keep(recipe.base, (*recipe.active, operation), state)
    return replace(recipe, operations=(*recipe.operations, operation))


def _after(
    generator: Generator, state: RecipeState, operation: Operation, states: States, result: Latent | None = None
) -> RecipeState:
    if operation.inside is None:
        latent = result or states.apply(generator, operation.change, state.latent)
        confined = tuple(
            (region, _carried(generator, operation.change, one, state.latent, latent, states))
            for region, one in state.confined
        )
        return RecipeState(latent, confined)
    _, inside = region_of(generator, operation.inside)
    codes = dict(state.confined)
    codes[inside] = result or states.apply(generator, operation.change, codes.get(inside, state.latent))
    return replace(state, confined=tuple(codes.items()))


def _carried(
    generator: Generator, change: Change, own: Latent, before: Latent, after: Latent, states: States
) -> Latent:
    """Return a region's code after a change of the whole image."""
    if not change.searches:
        return states.apply(generator, change, own)
    own, before = own.to_space(generator, after.space), before.to_space(generator, after.space)
    return replace(own, codes=own.codes + (after.codes - before.codes).to(own.codes))


@checked
def render(generator: Generator, recipe: Recipe, *, states: States | None = None) -> Float[Tensor, "n 3 h w"]:
    """Return the images that a recipe makes.

    Args:
        generator: The generator.
        recipe: The recipe.
        states: Where the states after its operations are kept for the next call; None keeps nothing.

    Returns:
        Images [n, 3, h, w], about [-1, 1]: the same bits on the same machine with the same number of threads. Where
        every operation is inside a region, the base's image beyond these regions' rims, bit for bit.

    Raises:
        LatentError: An operation that does not fit the generator.
        RegionError: A region that the generator does not have.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> base, other = ganvas.sample(G, [4], truncation=0.7), ganvas.sample(G, [9], truncation=0.7)
        >>> ganvas.render(G, ganvas.Recipe(base).mix(other, "middle", inside="mouth")).shape
        torch.Size([1, 3, 128, 128])
    """
    state = evaluate(check_generator(generator), recipe, states)
    return images_of(generator, state, recipe.settings, states.passes if states else None)


def images_of(
    generator: Generator, state: RecipeState, settings: ConfineSettings, passes: Passes | None = None
) -> Float[Tensor, "n 3 h w"]:
    """Return the images of a state."""
    if not state.confined:
        return torch.cat(list(state.latent.images(generator)))
    return _confined(generator, state, settings, passes).images.cpu()


def confined_images(generator: Generator, recipe: Recipe, states: States | None = None) -> ConfinedImages:
    """Return the images of a recipe with operations inside regions, and what these changed of the image without them.

    Raises `LatentError` for a recipe without such an operation.
    """
    state = evaluate(generator, recipe, states)
    return _confined(generator, state, recipe.settings, states.passes if states else None)


def _confined(
    generator: Generator, state: RecipeState, settings: ConfineSettings, passes: Passes | None
) -> ConfinedImages:
    regions, latents = [region for region, _ in state.confined], [latent for _, latent in state.confined]
    return confine(generator, state.latent, latents, regions, settings=settings, passes=passes)
