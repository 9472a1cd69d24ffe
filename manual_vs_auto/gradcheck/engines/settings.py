"""What a check sets in the libraries that it calls, and puts back."""

import contextlib
import random
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.trees import import_jax


def programs_kept(cache: Any) -> contextlib.AbstractContextManager[None]:
    """Compiled programs are kept in a directory, where one is given."""
    if cache is None or import_jax() is None:
        return contextlib.nullcontext()
    from manual_vs_auto.gradcheck.engines.jax.cache import programs_kept

    return programs_kept(cache)


@contextlib.contextmanager
def nothing_changed(torch: bool) -> Iterator[None]:
    """Random states and floating point settings are put back, whatever f or the rule does to them; torch's if used."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(), _lenient_jax(), _unchanged_torch(torch):
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def _unchanged_torch(used: bool) -> contextlib.AbstractContextManager[None]:
    if not used:
        return contextlib.nullcontext()
    from manual_vs_auto.gradcheck.engines.torch.engine import nothing_changed

    return nothing_changed()


@contextlib.contextmanager
def _lenient_jax() -> Iterator[None]:
    """What is not finite is looked for on purpose, and arrays come from the host."""
    jax = import_jax()
    if jax is None:
        yield
        return
    # What is cut out of a traceback says whose error it is.
    filtering = jax.config.jax_traceback_filtering
    jax.config.update("jax_traceback_filtering", "off")
    try:
        with jax.debug_nans(False), jax.debug_infs(False), jax.transfer_guard("allow"):
            yield
    finally:
        jax.config.update("jax_traceback_filtering", filtering)
