"""``ganvas.wrap(module, z_dim=128)``: any module that turns codes into images, as a generator.

The module is called on the codes of two seeds to see what it makes; what cannot serve as a generator is refused here,
and not in the middle of a search.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.errors import GanvasError
from ganvas.errors.arguments import checked
from ganvas.generators.protocol import About, Label
from ganvas.generators.wrapped.generator import Calling, Prior, Wrapped
from ganvas.generators.wrapped.hooks import recorded_calls
from ganvas.io.tensor_files import hash_tensors
from ganvas.regions import Region

SAME_IMAGE = 0.01  # of the images' deviation: more than rounding makes of another batch size
FARTHEST = 3.0  # from middle gray; black and white are 1 away


@checked
def wrap(
    module: nn.Module,
    *,
    z_dim: int | Sequence[int] = 128,
    sample: Prior = "normal",
    image_range: tuple[float | int, float | int] = (-1, 1),
    resolution: int | None = None,
    feature_names: Sequence[str] | None = None,
    classes: int | Sequence[str] = 0,
    label_as: str = "one-hot",
    mapping: Callable[..., Tensor] | None = None,
    layers: int = 0,
    name: str = "",
    regions: Mapping[str, Region] | None = None,
) -> Wrapped:
    """Return a module that turns codes into square images as a generator, for all that Ganvas does with one.

    The module is called on two seeds to see its images; nothing of it is changed.

    Args:
        module: Takes codes [n, z_dim] and returns images [n, 3, h, h] or [n, 1, h, h] (gray). It is in evaluation mode.
        z_dim: Numbers of a code; the shape of one, such as (100, 1, 1), for modules that begin with a convolution.
        sample: The prior: "normal", "uniform" in [-1, 1], or a function from seeds to codes [n, z_dim] that gives a
            seed the same code in every batch.
        image_range: The module's black and white.
        resolution: Height and width of the images, to be compared with those that the module makes.
        feature_names: Submodules whose outputs are feature maps; by default all that give one map [n, c, h, w] a call.
        classes: The number of classes, or their names: the label is then the module's second argument.
        label_as: "one-hot" rows, or the class as a "number".
        mapping: Takes z (and the label) to w [n, w_dim]: the module then gets w instead of z.
        layers: How many layers have a w of their own: the module then gets w+ [n, layers, w_dim].
        name: What the generator is called.
        regions: Named regions of its images.

    Returns:
        A generator with space z; with a mapping also w, and with layers w+.

    Raises:
        GanvasError: The module is in training mode, fails, returns anything but square images, draws random numbers,
            or lets the images of a batch change each other.

    Example:
        >>> import ganvas, torch
        >>> paint = torch.nn.Sequential(torch.nn.Linear(8, 3 * 16), torch.nn.Tanh(), torch.nn.Unflatten(1, (3, 4, 4)))
        >>> ganvas.wrap(paint.eval(), z_dim=8, name="tiny")
        Wrapped('tiny', 4 px, spaces z)
    """
    shape = (z_dim,) if isinstance(z_dim, int) else tuple(z_dim)
    count, names = (classes, None) if isinstance(classes, int) else (len(classes), tuple(classes))
    calling = Calling(shape, sample, float(image_range[0]), float(image_range[1]), count, names, label_as)
    generator = Wrapped(module, calling, mapping, layers)
    probe(generator, feature_names, resolution)
    kind = type(module).__name__
    generator.about = About(name or kind, _hash(module, mapping), {"module": kind}, dict(regions or {}))
    return generator


def _hash(*parts: object) -> str:
    """Return the hash of the weights of all `parts` that are modules."""
    tensors = {
        f"{number}.{name}": value
        for number, part in enumerate(parts)
        if isinstance(part, nn.Module)
        for name, value in part.state_dict().items()
        if isinstance(value, Tensor)
    }
    return hash_tensors(tensors)


@torch.no_grad()
def probe(generator: Wrapped, feature_names: Sequence[str] | None, resolution: int | None) -> None:
    """Set the generator's resolution, feature maps and width of w from its images of seeds 0 and 1.

    Raises `GanvasError` for a module that is no generator.
    """
    z, label = _codes(generator), 0 if generator.calling.classes else None
    if generator.mapping is not None:
        generator.w_dim = _width(generator, z, label)
    with recorded_calls(generator.module) as calls:
        images = _images(generator, z, label)
    generator.resolution = images.shape[-1]
    if resolution not in (None, generator.resolution):
        raise GanvasError(f"The module makes images of {generator.resolution} pixels, not of {resolution}.")
    paths = [path for path, _ in calls]
    usable = tuple(path for path, output in calls if paths.count(path) == 1 and _is_map(output, len(z)))
    generator.feature_names = usable if feature_names is None else _chosen(feature_names, usable)
    _check_rows(generator, images, z, label)
    _warn_of_range(generator.calling, images)


def _codes(generator: Wrapped) -> Tensor:
    """Return the codes of seeds 0 and 1 after a look at the prior."""
    codes, width = generator.sample([0, 1]), generator.calling.z_dim
    if codes.shape != (2, width):
        raise GanvasError(f"The prior gives codes of shape {list(codes.shape)} for two seeds, not [2, {width}].")
    if not torch.equal(generator.sample([1]), codes[1:]):
        raise GanvasError(
            "The prior gives a seed another code in another batch: draw each row from a random state of its own, "
            "numpy.random.RandomState(seed)."
        )
    return codes


def _width(generator: Wrapped, z: Tensor, label: Label) -> int:
    w = generator.map_whole(z, label)
    if w.ndim != 2 or len(w) != len(z):
        raise GanvasError(
            f"The mapping returns {list(w.shape)} for two codes; one w each, [2, w_dim], is needed (give layers where "
            "the module takes a w for each of its layers)."
        )
    return w.shape[1]


def _images(generator: Wrapped, z: Tensor, label: Label) -> Tensor:
    """Return the module's images; what it raises becomes a `GanvasError`."""
    try:
        images = generator.synthesize(z, "z", label=label)
    except GanvasError:
        raise
    except Exception as error:  # a foreign module raises anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        shape = ", ".join(map(str, ("n", *generator.calling.z_shape)))
        raise GanvasError(
            f"The module fails on codes of shape [{shape}]: {reason}\nGive z_dim, as (100, 1, 1) where it starts "
            "with a convolution; classes where it takes a label."
        ) from error
    if not images.isfinite().all():
        raise GanvasError("The module's images hold values that are not finite (nan or inf); is it trained?")
    return images


def _check_rows(generator: Wrapped, images: Tensor, z: Tensor, label: Label) -> None:
    """Refuse modules whose images depend on chance or on their batch.

    A code's image is compared in batches of one size: in batches of different sizes other kernels may be used, whose
    rounding differs by as much as a percent where products have the precision of TF32 or bfloat16.
    """
    again, beside_itself = (generator.synthesize(codes, "z", label=label) for codes in (z, z[[0, 0]]))
    close = SAME_IMAGE * float(images.std()) + 1e-6
    if (images - again).abs().max() > close:
        raise GanvasError(
            "The module gives one code different images: it draws random numbers as it runs. Make them constant, for "
            "example as buffers."
        )
    if (beside_itself - images)[0].abs().max() > close:
        raise GanvasError(
            "The module gives a code another image in another batch: it normalizes over the batch. Let each row be "
            "normalized by itself, or by kept statistics."
        )


def _warn_of_range(calling: Calling, images: Tensor) -> None:
    low, high = float(images.min()), float(images.max())
    if low >= 0 or high <= 0 or max(-low, high) > FARTHEST:
        scale, middle = (calling.high - calling.low) / 2, (calling.high + calling.low) / 2
        warnings.warn(
            f"The module's images go from {low * scale + middle:.3g} to {high * scale + middle:.3g}, which is not "
            f"black {calling.low:g} to white {calling.high:g}: give image_range.",
            stacklevel=4,
        )


def _is_map(output: Any, rows: int) -> bool:
    return isinstance(output, Tensor) and output.is_floating_point() and output.ndim == 4 and len(output) == rows


def _chosen(names: Sequence[str], usable: Sequence[str]) -> tuple[str, ...]:
    """Return the chosen feature maps in the order in which the module makes them."""
    for name in names:
        if name not in usable:
            raise GanvasError(
                f"'{name}' is no feature map: no submodule of that path gives one map [n, c, h, w] a call. There are "
                f"{', '.join(usable) or 'none'}."
            )
    return tuple(name for name in usable if name in names)
