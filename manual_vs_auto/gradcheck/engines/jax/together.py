"""Two functions of the same arrays as one program: what both compute is compiled, and computed, once."""

import contextlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import numpy as np

from manual_vs_auto.gradcheck.claims.errors import Refused, refusing
from manual_vs_auto.gradcheck.engines.jax.arrays import copied

Arrays = Sequence[np.ndarray]
Function = Callable[..., Any]
# What runs a few times on a few numbers is compiled in a hurry, in a third of the time: compiling is most of a check.
_HASTY: dict[str, str | bool] = {
    "xla_backend_optimization_level": "0",
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": "1",
}


@cache
def hasty() -> dict[str, str | bool] | None:
    """Compiler's options for programs that are small and run a few times: those that this compiler knows."""
    known = {}
    for name, value in _HASTY.items():
        with contextlib.suppress(Exception):
            jax.jit(lambda x: x + 1).lower(1.0).compile(compiler_options={name: value})
            known[name] = value
    return known if known and jax.default_backend() == "cpu" else None


def beside(first: Function, second: Function) -> Function:
    """Both in one, to be compiled. The second is None where it can't be traced: whoever asks for it alone is told."""

    def each(*groups: Any) -> tuple[Any, Any]:
        found = first(*groups)
        try:
            with refusing():
                return found, second(*groups)
        except Refused:
            return found, None

    return each


class Together:
    """first(*groups) and second(*groups) of groups of arrays, mostly asked for one after the other.

    The first is computed whenever it is asked for; what the second makes of the same numbers is kept until it is asked
    for, once. both: the two as one program; without it, or where it refuses to run, each is called alone.
    """

    def __init__(self, first: Function, second: Function, both: Function | None) -> None:
        self._first, self._second, self._both = first, second, both
        self._kept: tuple[Any, Any] | None = None
        self._met = set[Any]()

    def first(self, *groups: Arrays) -> Any:
        """What the first function returns."""
        if self._both is None:
            return self._first(*copied(groups))
        self._kept = None
        try:
            with refusing():
                found, second = self._both(*copied(groups))
        except Refused:
            # What can be traced may still not compile, as argmax of complex numbers.
            found, self._both = self._first(*copied(groups)), None
            return found
        if second is not None:
            self._met.add(shapes_of(*groups))
            self._kept = _key(groups), second
        return found

    def second(self, *groups: Arrays) -> Any:
        """What the second function returns."""
        if self._both is None or shapes_of(*groups) not in self._met:
            return self._second(*copied(groups))
        if self._kept is None or self._kept[0] != _key(groups):
            self.first(*groups)
        kept, self._kept = self._kept, None
        return kept[1] if kept is not None else self._second(*copied(groups))


def shapes_of(*groups: Arrays) -> Any:
    """The shapes and dtypes, to be compared."""
    return tuple(tuple((a.shape, a.dtype) for a in group) for group in groups)


def _key(groups: Sequence[Arrays]) -> Any:
    return shapes_of(*groups), [[a.tobytes() for a in group] for group in groups]
