"""The names that pickles and checkpoints of torch.save have in common, and what answers them: dictionaries, sets,
networks, tensors, arrays. Every other name becomes an inert record.
"""

from collections.abc import Callable

from ganvas.checkpoints.safe_pickle import numpy_values, torch_storage
from ganvas.checkpoints.safe_pickle.byte_windows import Budget
from ganvas.checkpoints.safe_pickle.foreign import ForeignRecord
from ganvas.checkpoints.safe_pickle.machine import AllowList, Global, plain_key
from ganvas.checkpoints.safe_pickle.plain_trees import NetworkRecord, PersistentRecord
from ganvas.errors import UnsafeFileError

BYTES_PER_KEY = 64  # about what a set needs


def allow_list(names: dict[tuple[str, str], Global], persistent: Callable[[object], object] | None = None) -> AllowList:
    """Return what a file may ask for: what all may, and `names`."""
    return AllowList({**NAMES, **names}, METHODS, True, BUILDERS, persistent)


def make_dict(arguments: tuple, budget: Budget) -> dict:
    """Answer calls such as ``OrderedDict()`` with an empty dict, to be filled by the operations that follow."""
    if arguments:
        raise UnsafeFileError("a dictionary that is made of something, where such files start with an empty one.")
    return {}


def _forget_state(target: object, state: object, budget: Budget) -> None:
    """Drop what is said about a dictionary: the ``_metadata`` of a state dict, the settings of a ``Namespace``."""
    if type(state) is not dict:
        raise UnsafeFileError("sets something else than attributes of a dictionary.")


def _make_set(arguments: tuple, budget: Budget) -> set:
    """Answer ``set(list)`` and ``frozenset(list)``, as protocols 2 and 3 write sets."""
    match arguments:
        case (list() as items,):
            budget.spend(BYTES_PER_KEY * len(items))
            return set(map(plain_key, items))
    raise UnsafeFileError("a set that is not made of a list.")


def _make_record(arguments: tuple, budget: Budget) -> PersistentRecord:
    """Answer ``torch_utils.persistence._reconstruct_persistent_obj(meta)``; the source in `meta` is left behind."""
    match arguments:
        case ({"type": str() as kind, "class_name": str() as name, "state": dict() as state},) if kind == "class":
            args, kwargs = state.get("_init_args", ()), state.get("_init_kwargs", {})
            if type(args) is tuple and isinstance(kwargs, dict | ForeignRecord):
                plain = kwargs.named if isinstance(kwargs, ForeignRecord) else kwargs
                return PersistentRecord(name, args, plain, state)
    raise UnsafeFileError("a persistence object without class name, arguments or state.")


def _make_network(arguments: tuple, budget: Budget) -> NetworkRecord:
    """Answer a ``__new__`` of TensorFlow's Network, whose state comes next."""
    if arguments:
        raise UnsafeFileError("a TensorFlow network that is made of something.")
    return NetworkRecord()


def _set_network_state(network: object, state: object, budget: Budget) -> None:
    if not isinstance(network, NetworkRecord) or type(state) is not dict or network.state:
        raise UnsafeFileError("a TensorFlow network whose state is no dictionary, or comes twice.")
    network.state.update(state)


def _make_size(arguments: tuple, budget: Budget) -> tuple:
    match arguments:
        case (tuple() as lengths,):
            return torch_storage.require_shape(lengths)
    raise UnsafeFileError("a shape that is not made of a tuple.")


def _make_device(arguments: tuple, budget: Budget) -> str:
    match arguments:
        case (str() as kind, *_):
            return kind
    raise UnsafeFileError("a device that is not made of a text.")


METHODS = {"_reconstruct_persistent_obj": Global(reduce=_make_record)}  # every project keeps torch_utils elsewhere
NAMES = {
    ("dnnlib.tflib.network", "Network"): Global(create=_make_network),
    ("dnnlib.util", "EasyDict"): Global(reduce=make_dict, create=make_dict),
    ("collections", "OrderedDict"): Global(reduce=make_dict),
    ("argparse", "Namespace"): Global(create=make_dict),
    **{
        (module, name): Global(reduce=_make_set)
        for module in ("builtins", "__builtin__")
        for name in ("set", "frozenset")
    },
    ("torch", "Size"): Global(reduce=_make_size),
    ("torch", "device"): Global(reduce=_make_device),
    **torch_storage.TENSORS,
    **numpy_values.NAMES,
}
BUILDERS = {**numpy_values.BUILDERS, NetworkRecord: _set_network_state, dict: _forget_state}
