"""PyTorch's functions, called through NumPy in the arrays' dtype, with torch.autograd's pullback as the rule.

Left out, as a fault of PyTorch 2.13: torch.vander, whose backward raises.
"""

import functools
import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks import _peers_torch_nn as nn
from benchmarks import _peers_torch_tables as tables
from benchmarks._peers_item import Item, Line, floating, lines

DECLARED = {"complex_convention": "conjugate"}


def torch_items() -> Iterator[Item]:
    """Elementwise functions by name, then the tables. What torch.nn holds is in float32, the rest in float64."""
    namespace = _namespace()
    for line in _elementwise():
        yield _item("torch", line, namespace, np.float64)
    for source, table in {**tables.TABLES, "torch.nn": nn.TABLE}.items():
        for line in lines(table):
            yield _item(source, line, namespace, np.float32 if source == "torch.nn" else np.float64)


def torch_complex() -> Iterator[Item]:
    """Complex arguments and outputs, in PyTorch's convention, the conjugate one."""
    namespace = _namespace()
    for line in lines(tables.COMPLEX):
        yield replace(item := _item("torch complex", line, namespace, np.float64), options={**item.options, **DECLARED})


def pullback(f: Callable[..., Any], argnums: Sequence[int]) -> Callable[..., Any]:
    """torch.autograd.grad as a rule on NumPy's arrays; f takes tensors. None for what is not in argnums."""
    torch: Any = importlib.import_module("torch")

    def rule(ct: Any, *args: Any) -> tuple[Any, ...]:
        given = [_tensor(a).requires_grad_(floating(a) and at in argnums) for at, a in enumerate(args)]
        moving = [a for a in given if a.requires_grad]
        out = f(*given)
        pairs = zip(out, ct, strict=True) if isinstance(out, tuple) else ((out, ct),)
        seeded = [(o, _tensor(c).reshape(o.shape)) for o, c in pairs if o.requires_grad]
        outs, cotangents = zip(*seeded, strict=True)
        rest = iter(torch.autograd.grad(outs, moving, cotangents, allow_unused=True))
        return tuple(_array(next(rest)) if a.requires_grad else None for a in given)

    return rule


def by_numpy(f: Callable[..., Any]) -> Callable[..., Any]:
    """The same function from arrays to arrays."""

    @functools.wraps(f)
    def call(*args: Any) -> Any:
        out = f(*map(_tensor, args))
        return tuple(map(_array, out)) if isinstance(out, tuple) else _array(out)

    return call


def _tensor(array: Any) -> Any:
    torch: Any = importlib.import_module("torch")
    tensor = torch.from_numpy(np.array(array))
    return tensor.long() if tensor.dtype == torch.int32 else tensor


def _array(tensor: Any) -> Any:
    return None if tensor is None else tensor.detach().resolve_conj().numpy()


def _namespace() -> dict[str, Any]:
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(1)
    functional = importlib.import_module("torch.nn.functional")
    return {"T": torch, "F": functional, "L": torch.linalg, "S": torch.special, "math": importlib.import_module("math")}


def _item(source: str, line: Line, namespace: dict[str, Any], dtype: Any) -> Item:
    f, args = line.function(namespace), line.args(dtype)
    argnums = np.atleast_1d(line.options.get("argnums", range(len(args))))
    return Item(source, line.name, "vjp", by_numpy(f), pullback(f, argnums.tolist()), args, line.options)


def _elementwise() -> Iterator[Line]:
    """Where no documentation restricts it, every other one with some zeros."""
    for at, expression in enumerate(tables.ELEMENTWISE):
        samples, options = tables.DOMAINS.get(expression[2:-3], ("z5" if at % 2 else "n34", {}))
        yield Line(expression, samples, options)
