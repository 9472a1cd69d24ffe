"""Arguments as Python that can be pasted and run."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.tensors import as_numpy, is_tensor

_FEW = 40


def literal(value: Any, xp: str = "np") -> str:
    """An expression for a tree of arrays and plain values; xp: the namespace that its arrays are made in.

    A tensor is torch's, and requires a gradient if it does.
    """
    if is_tensor(value):
        return array(as_numpy(value), "torch") + (".requires_grad_()" if value.requires_grad else "")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {literal(part, xp)}" for key, part in value.items()) + "}"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        parts = zip(value._fields, value, strict=True)
        return f"{type(value).__name__}({', '.join(f'{name}={literal(part, xp)}' for name, part in parts)})"
    if isinstance(value, tuple):
        return "(" + "".join(f"{literal(part, xp)}, " for part in value).rstrip() + ")"
    if isinstance(value, list):
        return "[" + ", ".join(literal(part, xp) for part in value) + "]"
    if hasattr(value, "dtype") and "float0" not in str(value.dtype) and not str(value.dtype).startswith("key<"):
        return array(np.asarray(value), xp)
    return getattr(value, "__name__", repr(value)) if callable(value) else repr(value)


def array(a: np.ndarray, xp: str = "np") -> str:
    """An expression for one array, short where most of its numbers are alike."""
    make, dtype = (
        f"{xp}.array",
        (
            f"{xp}.{'bool_' if a.dtype == bool else a.dtype}"
            if xp == "jnp" or hasattr(np, str(a.dtype))
            else f"'{a.dtype}'"
        ),
    )
    if xp == "torch":
        make, dtype = "torch.tensor", f"dtype=torch.{a.dtype}"
    if a.ndim == 0:
        return f"{make}({_number(a[()])}, {dtype})"
    if a.size <= _FEW:
        return f"{make}({_nested(a)}, {dtype})" + (f".reshape({a.shape})" if not a.size else "")
    values, counts = np.unique(a, return_counts=True)
    common = values[np.argmax(counts)]
    others = np.flatnonzero(a.ravel() != common)
    if others.size == 0:
        return f"{xp}.full({a.shape}, {_number(common)}, {dtype})"
    if others.size <= _FEW:
        places = ", ".join(f"{int(i)}: {_number(a.flat[i])}" for i in others)
        numbers = f"[{{{places}}}.get(i, {_number(common)}) for i in range({a.size})]"
        return f"{make}({numbers}, {dtype}).reshape({a.shape})"
    return f"{make}({_nested(a)}, {dtype})"


def brief(a: np.ndarray) -> str:
    """A few numbers as they are, many by shape."""
    return _nested(a).replace(" ", "") if a.size <= 12 else f"{a.dtype}{list(a.shape)}"


def imported(function: Callable[..., Any], name: str) -> str:
    """How to get at a function: an import where it has a place in a module, otherwise a remark."""
    module, path = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    held = sys.modules.get(module or "")
    found: Any = held
    for part in path.split("."):
        found = getattr(found, part, None)
    if module in (None, "__main__") or held is None or found is not function or "." in path:
        return f"# {name}: as it was given to the checker"
    return f"from {module} import {path}" + (f" as {name}" if path != name else "")


def _nested(a: np.ndarray) -> str:
    if a.ndim == 0:
        return _number(a[()])
    return "[" + ", ".join(_nested(part) for part in a) + "]"


def _number(value: Any) -> str:
    if np.iscomplexobj(value):
        parts = _number(value.real), _number(value.imag)
        if not np.isfinite(value):
            return f"complex({', '.join(parts)})"
        return f"{parts[0]}{'' if parts[1].startswith('-') else '+'}{parts[1]}j"
    if np.asarray(value).dtype.kind in "iub":
        return str(value.item())
    number = float(value)
    if not np.isfinite(number):
        return f"float('{number}')"
    return f"{number:.0f}." if number == round(number) and abs(number) < 1e6 else repr(number)
