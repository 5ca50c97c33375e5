"""Derivatives that generators write down, against automatic forward mode."""

import torch

from ganvas.generators.base import LinearizableBase


def check_linearize(
    generator: LinearizableBase, space: str, layers: tuple[int, ...] | None = None, *, rtol: float, atol: float
) -> None:
    """Compare image and derivative at a random code with those of ``torch.func.jvp``, for tangents on `layers`."""
    random = torch.Generator().manual_seed(1)
    shape = generator.dimensions(space)
    code = 1 + torch.randn(1, *shape, dtype=torch.float64, generator=random)
    tangents = torch.randn(3, *shape, dtype=torch.float64, generator=random)
    if layers is not None:
        tangents[:, [row for row in range(generator.layers) if row not in layers]] = 0
    image, push = generator.linearize(code, space, layers=layers)
    torch.testing.assert_close(image, generator.synthesize(code, space))
    for tangent, pushed in zip(tangents, push(tangents), strict=True):
        _, expected = torch.func.jvp(lambda codes: generator.synthesize(codes, space), (code,), (tangent[None],))
        torch.testing.assert_close(pushed, expected[0], rtol=rtol, atol=atol)
