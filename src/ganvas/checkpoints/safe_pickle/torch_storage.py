"""Tensors from the old format of ``torch.save``, which NVIDIA's pickles hold for every tensor.

One tensor's storage is a run of bytes: five small pickles (a magic number, a version, facts of the computer, the kind
and the number of the elements, a list of names), then the number again in eight bytes, then the elements. They are read
by our own machine with an allow-list of their own; torch's loader is not asked.
"""

import math
import sys
from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.checkpoints.safe_pickle.byte_windows import Budget, ByteWindow
from ganvas.checkpoints.safe_pickle.foreign import ForeignName, ForeignRecord
from ganvas.checkpoints.safe_pickle.machine import AllowList, Global, Machine
from ganvas.errors import CheckpointError, UnsafeFileError

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
TENSOR_BYTES = 512  # about what a tensor takes besides its elements
MOST_DIMENSIONS = 8
MOST_ELEMENTS = 1 << 40
DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}


@dataclass(eq=False)
class Storage:
    """The elements of one storage, flat; `taken` once a tensor has become their owner."""

    elements: Tensor
    taken: bool = False


@dataclass(frozen=True, eq=False)
class StorageHead:
    """What the small pickles say about the elements that follow."""

    dtype: torch.dtype
    count: int
    key: str


def load_storage(arguments: tuple, budget: Budget) -> Storage:
    """Answer ``torch.storage._load_from_bytes(bytes)``, where the elements announced and the bytes have to agree."""
    match arguments:
        case (ByteWindow() as stored,):
            window = stored.again()
        case _:
            raise UnsafeFileError("a tensor's storage that is not a run of bytes.")
    head = _read_head(window, budget)
    announced = int.from_bytes(window.take(8), "little", signed=True)
    if announced != head.count:
        raise CheckpointError(f"a tensor's storage of {head.count} elements that announces {announced}.")
    return read_elements(window, head, budget)


def read_elements(window: ByteWindow, head: StorageHead, budget: Budget) -> Storage:
    """Return the storage whose elements fill the rest of a window; `CheckpointError` where they do not."""
    if head.count * head.dtype.itemsize != window.left:
        raise CheckpointError(
            f"a tensor's storage of {head.count} elements, but {window.left} bytes for them. The file is damaged."
        )
    budget.spend(window.left)
    elements = torch.empty(window.left, dtype=torch.uint8)
    window.fill(elements.numpy().data)
    # torch takes a bool of any byte but 0 and 1 for granted, with results that depend on the kernel
    return Storage(elements != 0 if head.dtype == torch.bool else elements.view(head.dtype))


def rebuild_tensor(arguments: tuple, budget: Budget) -> Tensor | ForeignRecord:
    """Answer ``torch._utils._rebuild_tensor_v2(storage, offset, size, stride, ...)``: contiguous, sharing with none.

    A tensor of numbers that Ganvas does not read (quantized ones) is recorded.
    """
    match arguments:
        case (ForeignRecord(), *_):
            return ForeignRecord(ForeignName("torch", "Tensor"), arguments)
        case (Storage() as storage, int() as offset, tuple() as size, tuple() as stride, *_):
            pass
        case _:
            raise UnsafeFileError("a tensor that is not made of a storage, an offset, a size and strides.")
    shape, steps = require_shape(size), require_numbers(stride)
    available, count = len(storage.elements), math.prod(shape)
    last = offset + sum((length - 1) * step for length, step in zip(shape, steps, strict=True))
    if count > available or offset < 0 or (count and last >= available):
        raise UnsafeFileError(f"a tensor of shape {list(shape)} from a storage of {available} elements.")
    budget.spend(TENSOR_BYTES)
    if count == 0:
        return torch.empty(shape, dtype=storage.elements.dtype)
    view = storage.elements.as_strided(shape, steps, offset)
    if count == available and view.is_contiguous() and not storage.taken:
        storage.taken = True
        return storage.elements.view(shape)
    budget.spend(count * view.element_size())
    return view.clone(memory_format=torch.contiguous_format)


def rebuild_parameter(arguments: tuple, budget: Budget) -> Tensor | ForeignRecord:
    """Answer ``torch._utils._rebuild_parameter(tensor, requires_grad, hooks)`` with the tensor itself."""
    match arguments:
        case (Tensor() | ForeignRecord() as tensor, *_):
            return tensor
    raise UnsafeFileError("a parameter that is not made of a tensor.")


def rebuild_with_attributes(arguments: tuple, budget: Budget) -> object:
    """Answer ``torch._tensor._rebuild_from_type_v2(function, class, arguments, state)``, which stands for a tensor that
    has attributes or a class of its own: with what its function makes.
    """
    match arguments:
        case (Global() as function, _, tuple() as inner, *_):
            if function.reduce is not None and function.reduce is not rebuild_with_attributes:
                return function.reduce(inner, budget)
        case (ForeignName() as function, _, tuple() as inner, *_):
            return ForeignRecord(function, inner)
    raise UnsafeFileError("a tensor that is not made by a function of torch.")


def require_shape(lengths: object) -> tuple[int, ...]:
    """Return `lengths` if it is a tuple of a few whole numbers >= 0 whose product (zeros left out) is no nonsense."""
    shape = require_numbers(lengths)
    if math.prod(max(length, 1) for length in shape) > MOST_ELEMENTS:
        raise UnsafeFileError(f"a shape of more than {MOST_ELEMENTS} elements.")
    return shape


def require_numbers(numbers: object) -> tuple[int, ...]:
    """Return `numbers`, a shape or strides, if it is a tuple of a few whole numbers >= 0."""
    if type(numbers) is not tuple or len(numbers) > MOST_DIMENSIONS:
        raise UnsafeFileError(f"a shape that is not a tuple of at most {MOST_DIMENSIONS} numbers.")
    if not all(type(number) is int and 0 <= number <= MOST_ELEMENTS for number in numbers):
        raise UnsafeFileError(f"a shape with something else than whole numbers from 0 to {MOST_ELEMENTS}.")
    return numbers


def _read_head(window: ByteWindow, budget: Budget) -> StorageHead:
    try:
        parts: tuple = tuple(Machine(window, STORAGE_ALLOW_LIST, budget).run() for _ in range(5))
    except CheckpointError as error:
        raise type(error)(f"in a tensor's storage, {error}") from None
    match parts:
        case (
            int() as magic,
            int() as version,
            {"little_endian": bool() as little},
            StorageHead() as head,
            [str() as key],
        ):
            if (magic, version, little, key) == (MAGIC, VERSION, sys.byteorder == "little", head.key):
                return head
    raise CheckpointError("a tensor in a form that torch does not write. The file is damaged.")


def storage_head(persistent: object) -> StorageHead:
    """Answer a persistent id ``("storage", kind, key, device, count)``; the old format has a None behind."""
    match persistent:
        case (str() as word, Global(meaning=torch.dtype() as dtype), str() as key, str(), int() as count, *rest) if (
            word == "storage" and 0 <= count <= MOST_ELEMENTS and rest in ([], [None])
        ):
            return StorageHead(dtype, count, key)
    raise UnsafeFileError("a tensor's storage in a form that torch does not write.")


TENSORS = {
    ("torch._utils", "_rebuild_tensor"): Global(reduce=rebuild_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): Global(reduce=rebuild_tensor),
    ("torch._utils", "_rebuild_parameter"): Global(reduce=rebuild_parameter),
    ("torch._utils", "_rebuild_parameter_with_state"): Global(reduce=rebuild_parameter),
    ("torch.nn.parameter", "Parameter"): Global(reduce=rebuild_parameter),
    ("torch._tensor", "_rebuild_from_type_v2"): Global(reduce=rebuild_with_attributes),
}
NAMES = {("torch", name): Global(meaning=dtype) for name, dtype in DTYPES.items()}
STORAGE_ALLOW_LIST = AllowList(names=NAMES, persistent=storage_head)
