"""BigGAN-deep at its published sizes, with random weights (speed does not depend on them): a forward pass against the
plain one, and a tangent against a forward pass and against torch's own forward mode.
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.machine import duration, seconds
from ganvas.generators.base import Conditions
from ganvas.generators.biggan.generator import BigGAN
from ganvas.generators.biggan.layers import Attention, Block, Condition
from ganvas.generators.biggan.synthesis import BigGANArchitecture

BIGGAN_SIZES = (128, 256, 512)
ROWS = {128: 8, 256: 8, 512: 4}
LABEL, TRUNCATION = 207, 0.5


def biggan_subject(resolution: int, dtype: torch.dtype = torch.float32) -> BigGAN:
    """Return a BigGAN-deep of a published size."""
    generator = BigGAN(BigGANArchitecture.standard(resolution)).eval().requires_grad_(False)
    random = torch.Generator().manual_seed(0)
    for name, tensor in generator.state_dict().items():
        if tensor.ndim >= 2 and not name.endswith(("means", "variances")):
            tensor.copy_(torch.randn(tensor.shape, generator=random) * tensor[0].numel() ** -0.5)
    generator.synthesis.attention.gain.fill_(0.5)
    for parameter in generator.parameters():
        if parameter.ndim == 4:  # the layout in which checkpoints are loaded
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return generator.set_precision(dtype)


def plain_images(generator: BigGAN, z: Tensor) -> Tensor:
    """Return images by the formulas as they stand: pixels are repeated and then convolved, channels come first."""
    condition = generator.condition(z * TRUNCATION, Conditions(label=LABEL, truncation=TRUNCATION))
    x = generator.synthesis.begin(condition).contiguous()
    for stage in generator.synthesis.stages[:-1]:
        x = stage(x, condition) if isinstance(stage, Attention) else _plain_block(stage, x, condition)
    return generator.synthesis.colors(x, condition)


def _plain_block(block: Block, x: Tensor, condition: Condition) -> Tensor:
    y = x
    for norm, conv in block.layers():
        mean, inverse = norm.statistics(condition.table)
        scale, offset = (F.linear(condition.code, part)[:, :, None, None] for part in (norm.scale, norm.offset))
        y = (y - mean[:, None, None]) * inverse[:, None, None] * (1 + scale) + offset
        y = F.interpolate(y.relu(), scale_factor=2) if conv.up else y.relu()
        y = F.conv2d(y, conv.weight.contiguous(), conv.bias, padding=conv.weight.shape[-1] // 2)
    shortcut = x[:, : block.outputs]
    return y + (F.interpolate(shortcut, scale_factor=2) if block.up else shortcut)


def run(sizes: tuple[int, ...] = BIGGAN_SIZES) -> Iterator[str]:
    """Yield the lines of a Markdown table of times per row."""
    yield from (
        "| BigGAN-deep | precision | plain forward | forward | plain / ours | tangent | tangent / forward | "
        "torch.func's tangent / ours |",
        "|---|---|---|---|---|---|---|---|",
    )
    for size in sizes:
        for dtype in (torch.float32, torch.bfloat16):
            yield _row(size, dtype)


@torch.no_grad()
def _row(size: int, dtype: torch.dtype) -> str:
    generator, rows = biggan_subject(size, dtype), ROWS[size]
    z = generator.sample(range(rows))
    tangents = torch.randn(rows, z.shape[1], generator=torch.Generator().manual_seed(0))
    _, push = generator.linearize(z[:1], "z", label=LABEL, truncation=TRUNCATION)

    def paint(code: Tensor) -> Tensor:
        return generator.synthesize(code, "z", label=LABEL, truncation=TRUNCATION)

    def along(tangent: Tensor) -> Tensor:
        return torch.func.jvp(paint, (z[:1],), (tangent[None],))[1][0]

    def per_row(function: Callable[[], object]) -> float:
        return seconds(function, repeats=2) / rows

    forward, tangent = per_row(lambda: paint(z)), per_row(lambda: push(tangents))
    name, first, ratios = str(dtype).removeprefix("torch."), "-", ("-", "-")
    if dtype == torch.float32:
        assert torch.allclose(plain_images(generator, z[:1]), paint(z[:1]), atol=1e-3)
        plain = per_row(lambda: plain_images(generator, z))
        torch_func = per_row(lambda: torch.func.vmap(along)(tangents))
        first, ratios = duration(plain), (f"{plain / forward:.1f}", f"{torch_func / tangent:.1f}")
    return (
        f"| {size} px | {name} | {first} | {duration(forward)} | {ratios[0]} | {duration(tangent)} | "
        f"**{tangent / forward:.2f}** | {ratios[1]} |"
    )
