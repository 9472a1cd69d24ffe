"""Lengths that may be symbols, as `jax.export` has them of an axis whose length is known only when its program runs."""

from collections.abc import Callable

import jax


def sure(claim: Callable[[], bool]) -> bool:
    """Whether a claim about lengths holds whatever their symbols stand for."""
    try:
        return bool(claim())
    except jax.errors.InconclusiveDimensionOperation:
        return False


def is_number(length: object) -> bool:
    """Whether a length is no symbol."""
    return isinstance(length, int)


least, most = jax.core.min_dim, jax.core.max_dim
