"""What the processes of one run hand to each other. Of a single process each of these does nothing.

All of them do each at once: these are collectives of JAX, but for `of_all`.
"""

import io
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import jax
import numpy as np
from jax.experimental import multihost_utils

from manual_vs_auto.runs.processes import agreement

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def alone() -> bool:
    """Whether there is one process only."""
    return bool(jax.process_count() == 1)


def first() -> bool:
    """Whether this is the process that writes and talks."""
    return bool(jax.process_index() == 0)


def own(length: int) -> slice:
    """The share of so many rows that is this process's, and no other's."""
    at, processes = jax.process_index(), jax.process_count()
    return slice(at * length // processes, (at + 1) * length // processes)


def gathered(array: Any) -> Array:
    """The array of every process, [processes, ...], in their order. All must have the same shape and dtype."""
    if alone():
        return np.asarray(array)[None]
    with jax.enable_x64(True):
        return np.asarray(multihost_utils.process_allgather(np.asarray(array)))


def of_first(content: bytes) -> bytes:
    """The first process's bytes; those of the others don't count."""
    if alone():
        return content
    length = int(gathered(np.int64(len(content)))[0])
    held = np.frombuffer(content, np.uint8) if first() else np.zeros(length, np.uint8)
    return np.asarray(multihost_utils.broadcast_one_to_all(held), np.uint8).tobytes()


def shared(arrays: Mapping[str, Array], about: Any) -> tuple[dict[str, Array], Any]:
    """The first process's arrays by their names, and what else it says, as JSON has it."""
    if alone():
        return dict(arrays), about
    held = io.BytesIO()
    np.savez(held, allow_pickle=False, about=json.dumps(about), **{f"array.{name}": arrays[name] for name in arrays})
    with np.load(io.BytesIO(of_first(held.getvalue()))) as archive:
        found = {name.removeprefix("array."): archive[name] for name in archive.files if name != "about"}
        return found, json.loads(str(archive["about"]))


def of_all(status: int) -> int:
    """The first process's exit status of what all have done. No collective: a program that was left may still run."""
    return int(agreement.of_first(str(status)))
