"""Files and directories that are whole or absent, and on the disk when they are said to be."""

import hashlib
import os
import shutil
from pathlib import Path

_PIECE = 1 << 24  # bytes at a time
_SUMS = "SHA256SUMS"


def partial(path: Path) -> Path:
    """Where a file or a directory is written before it gets its name."""
    return path.with_name(f".{path.name}.partial")


def write(path: Path, content: bytes) -> None:
    """A file's new content. Raises: OSError, after which the file may hold a part."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        append(file, content)
    finally:
        os.close(file)


def append(file: int, content: bytes) -> None:
    """Write all of it: a system call may take less than it is given, and a buffer would try once more when closed."""
    while content:
        content = content[os.write(file, content) :]


def publish(directory: Path) -> None:
    """Give the directory `partial(directory)` its name, when all in it is on the disk, with its sums beside it.

    Another that has the name already is replaced. Whoever is killed here leaves the one, the other, or none.

    Raises: OSError.
    """
    aside = partial(directory)
    write(aside / _SUMS, _sums(aside))
    for path in (*sorted(aside.rglob("*")), aside):
        _sync(path)
    if directory.exists():
        remove(directory)
    aside.rename(directory)
    _sync(directory.parent)


def is_whole(directory: Path) -> bool:
    """Whether every byte in it, and every name, is what `publish` has published."""
    try:
        return (directory / _SUMS).read_bytes() == _sums(directory)
    except OSError:
        return False


def remove(directory: Path) -> None:
    """A directory and all in it, which has lost its name first: what is half removed has none. Raises: OSError."""
    nameless = directory.with_name(f".{directory.name}.removed")
    if nameless.exists():
        shutil.rmtree(nameless)
    directory.rename(nameless)
    shutil.rmtree(nameless)


def remove_nameless(directory: Path) -> None:
    """What a process that was killed has left half written or half removed."""
    for pattern in (".*.partial", ".*.removed"):
        for path in directory.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def _sums(directory: Path) -> bytes:
    """What `sha256sum` would say of all the files below, and can check."""
    files = sorted(path for path in directory.rglob("*") if not path.is_dir())
    return b"".join(
        f"{_sha256(path)}  {path.relative_to(directory).as_posix()}\n".encode()
        for path in files
        if path != directory / _SUMS
    )


def _sha256(path: Path) -> str:
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            sha256.update(piece)
    return sha256.hexdigest()


def _sync(path: Path) -> None:
    """Wait for the disk; Windows opens no directories."""
    if os.name == "nt":
        return
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
