"""A folder in which JAX keeps compiled programs, so that the next process need not compile them again."""

import contextlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

from manual_vs_auto.gradcheck.claims.errors import UsageError

# A check compiles many programs that are small and quick to compile: all of them are worth keeping.
_KEEP = {"jax_persistent_cache_min_compile_time_secs": 0.0, "jax_persistent_cache_min_entry_size_bytes": -1}


@contextlib.contextmanager
def programs_kept(folder: str | PathLike[str]) -> Iterator[None]:
    """JAX's own cache, there for as long as this lasts; the user's settings are put back.

    Raises: UsageError where the folder can't be made or written.
    """
    path = Path(folder).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / ".writable").touch()
        (path / ".writable").unlink()
    except OSError as error:
        raise UsageError(f"cache={str(folder)!r}: no folder that can be written: {error.strerror}") from None
    settings = {"jax_enable_compilation_cache": True, "jax_compilation_cache_dir": str(path), **_KEEP}
    before = {name: getattr(jax.config, name) for name in settings}
    try:
        _set(settings)
        yield
    finally:
        _set(before)


def _set(settings: dict[str, object]) -> None:
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # JAX looks at the folder's name once
