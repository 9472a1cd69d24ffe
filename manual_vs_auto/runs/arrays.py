"""Named arrays in a directory, by orbax-checkpoint, whose import takes half a second: `ready` may be called beside."""

import errno
import hashlib
import logging
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from manual_vs_auto.data import mapped

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_PIECE = 1 << 24  # bytes at a time
_CODE = re.compile(r"os_error_code='(\d+)'")


def save(directory: Path, arrays: Mapping[str, Array]) -> None:
    """Make the directory, with the arrays in it: none may be empty. Raises: OSError, whatever goes wrong."""
    try:
        ready().save(directory.absolute(), dict(arrays))
    except OSError:
        raise
    except Exception as error:  # tensorstore's are of several kinds, and tell the system's in their text
        code = _CODE.search(str(error))
        number = int(code[1]) if code else errno.EIO
        raise OSError(number, os.strerror(number), str(directory)) from error


def load(directory: Path) -> dict[str, Array]:
    """What `save` saved, bit by bit."""
    import orbax.checkpoint as ocp

    names = ready().metadata(directory.absolute()).item_metadata.tree
    plain = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
    return dict(ready().restore(directory.absolute(), restore_args=plain))


def digest(arrays: Mapping[str, Array]) -> str:
    """The SHA-256 of their names, dtypes, shapes and elements: of data, which may stay in a file."""
    sha256 = hashlib.sha256()
    for name, array in arrays.items():
        sha256.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        step = max(1, _PIECE * len(array) // max(1, array.nbytes))
        for piece in mapped.pieces(array, step):
            sha256.update(np.ascontiguousarray(piece).reshape(-1).view(np.uint8).data)
    return sha256.hexdigest()


def glance(arrays: Mapping[str, Array]) -> str:
    """`digest` of some rows of each array, which take little time to read: of all rows where these are few."""
    some = {}
    for name, array in arrays.items():
        count = min(len(array), max(1, _PIECE * len(array) // max(1, array.nbytes)))
        rows = np.unique(np.linspace(0, len(array) - 1, count).astype(np.int64))
        some[f"{name} {array.shape}"] = mapped.gathered(array, rows)
    return digest(some)


@cache
def ready() -> Any:
    """The library's checkpointer, imported. What goes wrong is raised, and not logged as well.

    It is of this process alone: of several only one saves, and waits for no other.
    """
    import jax
    import orbax.checkpoint as ocp

    for name in ("absl", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    if jax.process_count() == 1:
        return ocp.PyTreeCheckpointer()
    this = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(primary_host=this, active_processes={this})
    return ocp.Checkpointer(ocp.PyTreeCheckpointHandler(multiprocessing_options=alone), multiprocessing_options=alone)
