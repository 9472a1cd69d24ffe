"""A file that one run at a time may have, however the one before it ended."""

import os
import sys
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(file: FileIO) -> None:
        # Windows keeps readers from what is locked: a byte that no file reaches.
        os.lseek(file.fileno(), (1 << 31) - 2, os.SEEK_SET)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from None

else:
    import fcntl

    def _lock(file: FileIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def claim(path: Path) -> FileIO:
    """The file opened to append, made if need be with its directories, and nobody else's until it is closed.

    The lock is the system's own, on the open file: it ends with the process, even one that is killed. On NFS it holds
    between machines where the server has a lock service, and Linux may let it go as soon as this process closes the
    file anywhere else.

    Raises: BlockingIOError if another has claimed it; OSError if it can't be opened, or if there are no locks here.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Who had it before may remove it, with its directory, at any moment: what is open is then another file.
        with suppress(FileNotFoundError), ExitStack() as unless_mine:
            file = unless_mine.enter_context(FileIO(path, "a"))
            _lock(file)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                unless_mine.pop_all()
                return file
