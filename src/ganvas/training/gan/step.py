"""What one step of training is given, whatever it trains."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from ganvas.training.distributed import ProcessGroup
from ganvas.training.gan.augment import Augment, unchanged
from ganvas.training.randomness import Randomness


@dataclass(frozen=True, eq=False)
class Step:
    """One step of training: its number, and this process's shard of the real images, in [-1, 1].

    ``augment`` is what images go through on their way to the discriminator, ``classes`` those of the real images, for
    class-conditional training.
    """

    index: int
    real: Float[Tensor, "n 3 r r"]
    draws: Randomness
    augment: Augment = unchanged
    processes: ProcessGroup = ProcessGroup()
    classes: Int[Tensor, "n"] | None = None

    def augmented(self, images: Float[Tensor, "m 3 r r"]) -> Float[Tensor, "m 3 r r"]:
        """Return images as the discriminator sees them."""
        return self.augment(images, self.draws)

    def is_due(self, every: int) -> bool:
        """Return whether what is done once in so many steps is done in this one."""
        return self.index % every == 0
