"""PyTorch's tensors among the arguments, as NumPy arrays. Torch is never imported: who has a tensor has imported it."""

import sys
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.trees import flatten


def is_tensor(value: Any) -> bool:
    """Whether it is a torch.Tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, getattr(torch, "Tensor", ()))


def is_function(f: Any) -> bool:
    """Whether it is a torch.autograd.Function that somebody else than torch wrote."""
    torch = sys.modules.get("torch")
    base = getattr(getattr(torch, "autograd", None), "Function", ())
    return isinstance(f, type) and issubclass(f, base) and f.__module__.split(".")[0] != "torch"


def in_torch(f: Any, args: Any) -> bool:
    """Whether PyTorch runs it: among the arguments is a tensor, or f is a torch.autograd.Function."""
    return "torch" in sys.modules and (is_function(f) or any(map(is_tensor, flatten(args).leaves)))


def as_numpy(value: Any) -> np.ndarray:
    """A copy in NumPy, a tensor's too: without its graph, from its device, bfloat16 as ml_dtypes has it.

    Raises:  TypeError for a tensor that holds no numbers (on the device "meta"), or of a dtype that NumPy lacks.
    """
    if not is_tensor(value):
        return np.array(value)
    if value.device.type == "meta":
        raise TypeError('is on the device "meta", which holds no numbers')
    plain = value.detach()
    plain = (plain if str(plain.layout) == "torch.strided" else plain.to_dense()).cpu().resolve_conj().resolve_neg()
    if str(plain.dtype) == "torch.bfloat16":
        import ml_dtypes

        return np.array(plain.view(sys.modules["torch"].int16).numpy()).view(ml_dtypes.bfloat16)
    return np.array(plain.numpy())


def zeros_like(value: Any, dtype: str) -> Any:
    """Zeros of the shape of a value: a tensor for a tensor, otherwise an array of the dtype."""
    return value.new_zeros(value.shape) if is_tensor(value) else np.zeros(np.shape(value), dtype)


def cast(array: Any, like: Any) -> Any:
    """An array in another's dtype, as a tensor beside a tensor."""
    return like.new_tensor(array) if is_tensor(like) else array.astype(like.dtype)


def copied(value: Any) -> Any:
    """A copy of what can be written into; anything else as it is."""
    if is_tensor(value):
        return value.clone()
    return value.copy() if isinstance(value, np.ndarray) else value
