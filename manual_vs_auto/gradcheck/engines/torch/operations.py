"""What is seen of a function's operations while it runs: what stops gradients, what rounds, and how long sums are."""

import math
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from manual_vs_auto.gradcheck.claims.tensors import is_tensor
from manual_vs_auto.gradcheck.numerics.precision import eps, is_float, lowest

_CUTS = {torch.Tensor.detach, torch.Tensor.detach_, torch.Tensor.item, torch.Tensor.tolist, torch.Tensor.numpy,
         torch.Tensor.__float__}  # fmt: skip
_PRODUCTS = {"mm", "bmm", "mv", "dot", "addmm", "addmv", "baddbmm"}
_WRITES = {"index_put", "index_put_", "scatter", "scatter_", "index_copy", "index_copy_", "put", "put_"}


class Looking(TorchFunctionMode):
    """Between f and torch: whether f stops gradients itself. promotes: numbers of two precisions meet in the wider.

    In float64 f meets what it was given in its own precision beside its arguments, as the weights of a module are.
    Torch runs a Function's forward without gradients: what it detaches there is detached from nothing. Stripped it must
    not be either.
    """

    inside = 0

    def __init__(self, promotes: bool = False) -> None:
        super().__init__()
        self.detaches, self._promotes = False, promotes

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        data = getattr(func, "__self__", None) is torch.Tensor.data
        if func is torch._C._set_grad_enabled and not args[0]:
            if Looking.inside:
                return None
            self.detaches = True
        elif (data or func in _CUTS) and args[0].requires_grad:
            if not Looking.inside:
                self.detaches = True
            elif data or func is torch.Tensor.detach:
                return args[0].view_as(args[0])
        try:
            return func(*args, **kwargs)
        except RuntimeError:
            dtypes = {a.dtype for a in tree_leaves((args, kwargs)) if is_tensor(a) and _continuous(a)}
            name = getattr(func, "__name__", "")
            if (
                not self._promotes
                or len(dtypes) < 2
                or (name.endswith("_") and not name.endswith("__"))
                or name == "__setitem__"
            ):
                raise
            widest = max(dtypes, key=lambda d: (d.is_complex, torch.finfo(d).bits))
            return func(*tree_map(lambda a: _to(a, widest), args), **tree_map(lambda a: _to(a, widest), kwargs))


def _continuous(a: Any) -> bool:
    return bool(a.is_floating_point() or a.is_complex())


def _to(a: Any, dtype: Any) -> Any:
    return a.to(dtype) if is_tensor(a) and _continuous(a) else a


class Reading(TorchDispatchMode):
    """Every operation below autograd: the precisions that numbers are rounded to, the longest sum, writes by index."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes, self.longest_sum, self.scatters = ["float64"], 1, False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # to skip it imports it, for three seconds

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        given, made = ([a for a in tree_leaves(tree) if is_tensor(a) and is_float(a.dtype)]
                       for tree in ((args, kwargs), found))  # fmt: skip
        name = str(func.overloadpacket.__name__)
        accumulates = name.startswith("index_put") and len(args) > 3 and args[3]
        self.scatters |= name in _WRITES and not accumulates
        if given and made:
            low = lowest([_dtype(a) for a in made])
            if eps(low) > min(eps(_dtype(a)) for a in given):
                self.dtypes.append(low)
            self.longest_sum = max(self.longest_sum, _terms(name, given, max(a.numel() for a in made)))
        return found


def _dtype(a: Any) -> str:
    return str(a.dtype).removeprefix("torch.")


def _terms(name: str, given: list[Any], made: int) -> int:
    """How many numbers an operation adds up for one of its results."""
    if name in _PRODUCTS:
        return int(given[-2].shape[-1])
    if name.startswith("convolution"):
        return max(int(a.numel()) // max(int(a.shape[0]), 1) for a in given)
    if name.startswith("cum"):
        return int(max(given[0].shape, default=1))
    return math.ceil(max(int(a.numel()) for a in given) / max(made, 1))
