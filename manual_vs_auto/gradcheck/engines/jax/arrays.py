"""Arrays on their way into JAX: in which precision, as which shapes, and the same again."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from manual_vs_auto.gradcheck.claims.errors import Refused
from manual_vs_auto.gradcheck.engines.engine import Arrays
from manual_vs_auto.gradcheck.numerics.precision import is_float


@contextlib.contextmanager
def precision(*dtypes: Any) -> Iterator[None]:
    """Float64 where one of the dtypes is that; otherwise as the author has set JAX."""
    with jax.enable_x64(True) if any(str(np.dtype(d)) == "float64" for d in dtypes) else contextlib.nullcontext():
        yield


def same_bytes(one: Any, two: Any) -> bool:
    """Whether two constants are the same, keys and NaN included."""
    if jax.numpy.issubdtype(getattr(one, "dtype", np.float64), jax.dtypes.prng_key):
        one, two = jax.random.key_data(one), jax.random.key_data(two)
    return np.asarray(one).tobytes() == np.asarray(two).tobytes()


def as_jax(arrays: Sequence[Any]) -> list[Any]:
    """JAX's own."""
    return [jax.numpy.asarray(a) for a in arrays]


def copied(groups: Sequence[Sequence[np.ndarray]]) -> list[list[np.ndarray]]:
    """NumPy's, which may be written into."""
    return [[np.array(a) for a in group] for group in groups]


def outside_jit(call: Callable[..., Any], in_numpy: bool, *groups: Sequence[np.ndarray]) -> Any:
    """call(*groups) of what JAX does not trace: on NumPy's arrays if in_numpy, or else on JAX's.

    The others are tried where these are not what the code can use: JAX's are not written into, NumPy's have no `at`.
    Of JAX's each operation is compiled, for each shape anew.
    """
    first, other = (copied, _all_as_jax) if in_numpy else (_all_as_jax, copied)
    try:
        return call(*first(groups))
    except Refused as refusal:
        if not isinstance(refusal.error, TypeError | AttributeError):
            raise
        return call(*other(groups))


def _all_as_jax(groups: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [as_jax(group) for group in groups]


def dtype_of(arrays: Arrays) -> contextlib.AbstractContextManager[None]:
    """The precision that arrays of these dtypes ask for."""
    return precision(*(a.dtype for a in arrays if is_float(a.dtype)))


def shapes(arrays: Sequence[np.ndarray]) -> list[Any]:
    """Their shapes and dtypes, to trace with."""
    return [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays]
