"""Convolutions whose second derivatives use the kernels of the first.

PyTorch writes the derivative of a convolution's input gradient by its weight as a convolution whose kernel is as large
as the map. On processors with AMX, oneDNN computes such convolutions in bfloat16 wrongly (with fewer than 16 rows and
padding: not even the sign is right) or dies of a floating point exception (docs/decisions.md). Here that derivative is
what it is by mathematics: a weight gradient. With y = x * w, the three maps

    y(x, w),    x'(y', w) = the gradient by x,    w'(y', x) = the gradient by w

are bilinear, and the derivative of each by either argument is another of the three. Derivatives of any order follow.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function

Gradients = tuple[Tensor | None, Tensor | None, None, None, None]


class Form(NamedTuple):
    """Stride and padding of a convolution, or of a transposed one."""

    stride: int
    padding: int
    transposed: bool


def convolve(
    x: Float[Tensor, "n _i _h _w"],
    weight: Float[Tensor, "_a _b _k _k"],
    bias: Float[Tensor, "_o"] | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    transposed: bool = False,
) -> Float[Tensor, "n _o _h2 _w2"]:
    """Return the convolution of PyTorch, transposed or not, whose gradients can be differentiated again.

    A `weight` that does not learn needs none of this and goes to PyTorch, which knows forward mode and ``torch.func``.
    """
    form = Form(stride, padding, transposed)
    if not (torch.is_grad_enabled() and weight.requires_grad):
        return _computed(x, weight, bias, form)
    if torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    return _Output.apply(x, weight, bias, form)


def _computed(x: Tensor, weight: Tensor, bias: Tensor | None, form: Form) -> Tensor:
    call = F.conv_transpose2d if form.transposed else F.conv2d
    return call(x, weight, bias, form.stride, form.padding)


def _gradient(gradient: Tensor, x: Tensor, weight: Tensor, form: Form, *, by_weight: bool) -> Tensor:
    """Return the gradient by the weight, else by x; the value of the one by which it is only gives its shape."""
    pair, wanted = [form.stride] * 2, [not by_weight, by_weight, False]
    found = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, pair, [form.padding] * 2, [1, 1], form.transposed, [0, 0], 1, wanted
    )
    return found[1 if by_weight else 0]


class _Output(Function):
    """y(x, w), plus a bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, form: Form) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.form = form
        return _computed(x, weight, bias, form)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:  # pyrefly: ignore[bad-override]
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias, _ = ctx.needs_input_grad
        return (
            _Gradient.apply(gradient, weight, x, ctx.form, False) if of_x else None,
            _Gradient.apply(gradient, x, weight, ctx.form, True) if of_weight else None,
            gradient.sum(dim=(0, 2, 3)) if of_bias else None,
            None,
        )


class _Gradient(Function):
    """x'(y', w), or with `by_weight` w'(y', x): `known` is w or x, the other one, `like`, only gives its shape."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, known: Tensor, like: Tensor, form: Form, by_weight: bool) -> Tensor:
        ctx.save_for_backward(gradient, known)
        ctx.form, ctx.by_weight = form, by_weight
        x, weight = (known, like) if by_weight else (like, known)
        return _gradient(gradient, x, weight, form, by_weight=by_weight)

    @staticmethod
    def backward(ctx: Any, change: Tensor) -> Gradients:  # pyrefly: ignore[bad-override]
        gradient, known = ctx.saved_tensors
        x, weight = (known, change) if ctx.by_weight else (change, known)
        of_gradient, of_known, *_ = ctx.needs_input_grad
        return (
            _Output.apply(x, weight, None, ctx.form) if of_gradient else None,
            _Gradient.apply(gradient, change, known, ctx.form, not ctx.by_weight) if of_known else None,
            None,
            None,
            None,
        )
