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
    """The SHA-256 of their names, dtypes, shapes and elements: of data, which may be memory-mapped."""
    sha256 = hashlib.sha256()
    for name, array in arrays.items():
        sha256.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        step = max(1, _PIECE * len(array) // max(1, array.nbytes))
        for start in range(0, len(array), step):
            piece = np.ascontiguousarray(array[start : start + step]).reshape(-1)
            sha256.update(piece.view(np.uint8).data)
    return sha256.hexdigest()


@cache
def ready() -> Any:
    """The library's checkpointer, imported. What goes wrong is raised, and not logged as well."""
    import orbax.checkpoint as ocp

    for name in ("absl", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return ocp.PyTreeCheckpointer()
