"""Weight differences: what pivotal tuning on one photo changed of a generator.

A difference is a tensor of the weight's shape, in any precision, or two factors ``NAME.left`` [o, r] and ``NAME.right``
[r, i], whose product is the difference of the weight written as a matrix: its first axis down, all others across
(LoRA, Hu et al. 2021, Eq. 3, for convolutions).
"""

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import LatentError, ResultFileError

LEFT, RIGHT = ".left", ".right"
AnyGenerator = TypeVar("AnyGenerator")


def weights_of(generator: object) -> dict[str, Tensor]:
    """Return a generator's weights by name; raises `LatentError` for one that is made of no PyTorch module."""
    return dict(_module(generator).named_parameters())


def changed_names(differences: Mapping[str, Tensor]) -> set[str]:
    """Return the names of the weights that are changed."""
    return {name.removesuffix(LEFT).removesuffix(RIGHT) for name in differences}


def difference(differences: Mapping[str, Tensor], name: str, weight: Tensor) -> Tensor:
    """Return what is to be added to `weight`, of its shape, float32.

    Raises `ResultFileError` where the tensors under this name do not make one.
    """
    if name in differences:
        whole = differences[name].to(weight.device, torch.float32)
    else:
        parts = [differences.get(name + end) for end in (LEFT, RIGHT)]
        left, right = (None if part is None else part.to(weight.device, torch.float32) for part in parts)
        if left is None or right is None or (left.ndim, right.ndim) != (2, 2) or left.shape[1] != right.shape[0]:
            raise ResultFileError(f"The changed weight '{name[:80]}' is not whole; make the latent anew.")
        whole = left @ right
    if whole.numel() != weight.numel():
        raise ResultFileError(
            f"The changed weight '{name[:80]}' has {whole.numel()} values, this generator's {weight.numel()}: the "
            "latent was tuned on another one."
        )
    return whole.reshape(weight.shape)


def factors(whole: Float[Tensor, "o *rest"], rank: int) -> tuple[Float[Tensor, "o r"], Float[Tensor, "r i"]]:
    """Return the two factors of `rank` (or fewer, where there are fewer) whose product is nearest to a difference in
    the sense of least squares (Eckart and Young), each with half of the singular values.
    """
    u, values, v = torch.linalg.svd(whole.flatten(1).float(), full_matrices=False)
    root = values[:rank].sqrt()
    return u[:, :rank] * root, root[:, None] * v[:rank]


def with_differences(generator: AnyGenerator, differences: Mapping[str, Tensor]) -> AnyGenerator:
    """Return a generator with changed weights; it shares all others with `generator`, which stays as it is.

    Raises `ResultFileError` where the differences do not fit, `LatentError` for a generator of no PyTorch module.
    """
    weights = weights_of(generator)
    unknown = sorted(changed_names(differences) - weights.keys())
    if unknown:
        raise ResultFileError(
            f"This generator has no weight '{unknown[0][:80]}'; the latent was tuned on another generator."
        )
    changed = {
        name: (weights[name].float() + difference(differences, name, weights[name])).to(weights[name].dtype)
        for name in changed_names(differences)
    }
    return with_weights(generator, changed)


def with_weights(generator: AnyGenerator, changed: Mapping[str, Tensor]) -> AnyGenerator:
    """Return a copy of `generator` in which these weights are others; everything else is shared."""
    module = _module(generator)
    shared = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    copied: Any = copy.deepcopy(module, shared)
    put_weights(copied, changed)
    if module is generator:
        return copied
    outer: Any = copy.copy(generator)
    outer.module = copied
    return outer


def put_weights(generator: object, changed: Mapping[str, Tensor]) -> None:
    """Change weights of a generator that `with_weights` made, in place; where one carries a gradient, so do the
    images.
    """
    module = _module(generator)
    for name, weight in changed.items():
        path, _, last = name.rpartition(".")
        owner = module.get_submodule(path)
        if weight.requires_grad:  # a computed tensor cannot be a parameter, but an attribute
            owner._parameters.pop(last, None)
            object.__setattr__(owner, last, weight)
        else:
            owner.__dict__.pop(last, None)
            owner.register_parameter(last, nn.Parameter(weight, requires_grad=False))


def _module(generator: Any) -> nn.Module:
    for candidate in (generator, getattr(generator, "module", None)):
        if isinstance(candidate, nn.Module):
            return candidate
    raise LatentError("Only generators made of PyTorch modules have weights to change; this one is not.")
