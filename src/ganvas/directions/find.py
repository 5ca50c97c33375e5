"""One paper, one file, one function ``find(...) -> Directions``; here the public function that chooses among them."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from ganvas.directions import resefa
from ganvas.directions.direction import Directions, Origin
from ganvas.directions.jacobian import DEFAULT_BUDGET
from ganvas.directions.linalg import Ridge
from ganvas.directions.settings import Search
from ganvas.errors import GanvasError
from ganvas.generators.codes import Layers
from ganvas.generators.labels import class_names, settle_label
from ganvas.generators.protocol import Generator, Label, about_of
from ganvas.io.progress import Progress
from ganvas.latents.spaces import codes_for
from ganvas.regions import Region

METHODS: Mapping[str, Callable[..., dict[str, Directions]]] = {"resefa": resefa.find}


def find_directions(
    generator: Generator,
    codes: Tensor,
    region: Region,
    *,
    method: str = "resefa",
    space: str = "w",
    layers: Layers = None,
    count: int = 10,
    ridge: Ridge | None = None,
    ignore_band: float = 0.0,
    resolution: int | None = None,
    channels: str = "all",
    rank: int | None = None,
    label: Label = None,
    truncation: float = 1.0,
    budget: int = DEFAULT_BUDGET,
    compat: str | None = None,
    origin: Origin | None = None,
    progress: Progress | None = None,
) -> Directions:
    """Return the `count` strongest directions of `space` that change `region` and leave the rest alone.

    `codes` are the truncated codes that will be edited: w or w+ for directions of w and w+, w, w+ or s for those of s,
    z for those of z (told apart by shape, so map z codes first where z and w have one width). `origin` says in the
    file where they came from (`origin_of`). See `ganvas.directions.settings.Search` for the settings. Raises
    `GanvasError`s.
    """
    if method not in METHODS:
        raise GanvasError(f"Method '{method}' is not known; there is {', '.join(METHODS)}.")
    search = Search(
        space, layers, count, ridge, ignore_band, resolution, channels, rank, label, truncation, budget, compat
    )
    points = codes_for(generator, codes, space)
    about = origin or default_origin(generator, method, search)
    name = about.region_name
    return METHODS[method](generator, points, {name: region}, search, about, progress)[name]


def default_origin(generator: Generator, method: str, search: Search) -> Origin:
    """Return the `Origin` of codes of which nothing is known beside the generator and what `search` says of them.

    One-hot labels have no number and are left out.
    """
    label = search.label
    numbered = None if isinstance(label, Tensor) and label.is_floating_point() else label
    truncation = search.truncation if search.space == "z" else None
    return origin_of(generator, method, (), truncation, None, settle_label(numbered, class_names(generator)))


def origin_of(
    generator: Generator,
    method: str,
    seeds: Sequence[int] = (),
    truncation: float | None = None,
    truncation_layers: int | None = None,
    label: int | tuple[int, ...] | None = None,
) -> Origin:
    """Return an `Origin` that names the generator and says where the codes came from."""
    about = about_of(generator)
    return Origin(
        method,
        about.name,
        about.hash,
        seeds=tuple(seeds),
        truncation=truncation,
        truncation_layers=truncation_layers,
        label=label,
    )
