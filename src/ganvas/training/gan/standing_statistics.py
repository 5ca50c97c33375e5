"""Standing statistics (Brock et al. 2019, appendix C): the batch statistics of the generator to keep.

While it trains, each batch is normalized by its own statistics, so that the averaged weights have none. They are those
of its own maps over fixed codes, at each truncation in turn.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.generators.biggan.generator import BigGAN
from ganvas.generators.biggan.layers import Condition, Norm
from ganvas.generators.codes import sample_truncated_normal
from ganvas.generators.ops import at_least_float32

BATCHES, BATCH = 2, 128


@torch.no_grad()
def with_standing_statistics(generator: BigGAN) -> BigGAN:
    """Return the generator, in evaluation mode, with mean and variance of each normalization's input over fixed codes
    of all classes, at truncations 0, 1 / (n - 1), ..., 1.
    """
    a = generator.architecture
    seen: dict[Norm, list[Tensor]] = {}

    def record(norm: Norm, given: tuple[Tensor, Condition]) -> None:
        maps = at_least_float32(given[0])
        seen.setdefault(norm, []).append(torch.stack([maps.mean(dim=(0, 2, 3)), maps.square().mean(dim=(0, 2, 3))]))

    hooks = [m.register_forward_pre_hook(record) for m in generator.modules() if isinstance(m, Norm)]
    z = sample_truncated_normal(range(BATCHES * BATCH), a.z_dim).to(generator.device)
    classes = F.one_hot(torch.arange(len(z), device=z.device) % a.label_dim, a.label_dim).float()
    generator.train()
    for row, truncation in enumerate(torch.linspace(0, 1, a.statistics).tolist()):
        for codes, chosen in zip(z.split(BATCH), classes.split(BATCH), strict=True):
            generator(codes * truncation, chosen)
        for norm, moments in seen.items():
            mean, square = torch.stack(moments).mean(dim=0)
            norm.means[row], norm.variances[row] = mean, (square - mean.square()).clamp(min=0)
        seen.clear()
    for hook in hooks:
        hook.remove()
    return generator.eval()
