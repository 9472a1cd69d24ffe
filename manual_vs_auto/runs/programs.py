"""Compiled programs of a processor, kept in the user's cache directory for the next process.

To read one takes a twentieth of the time to compile it. What is damaged, or can't be read or written, is compiled as
if it had never been kept.
"""

import hashlib
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_BOUND = 2**26  # bytes, of all that is kept
_DIGEST = 32  # bytes of SHA-256 before each
_SUFFIX = ".program"


def quiet() -> bool:
    """Whether programs can be read without a false alarm. To be called before JAX is imported, to see to it.

    Up to 0.11 XLA says of each that it was compiled for another machine, for what LLVM was told to prefer is no feature
    of any (https://github.com/jax-ml/jax/issues/38445). Beside a GPU its errors are worth more than what this saves.
    """
    if tuple(map(int, version("jaxlib").split(".")[:2])) >= (0, 12):
        return True
    if find_spec("jax_plugins") or find_spec("libtpu"):
        return False
    # XLA looks at it once, and a parent that has imported JAX leaves a 1 there.
    if "jaxlib" not in sys.modules and os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") == "1":
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    return os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "3"


def directory() -> Path:
    """Where they are: $MANUAL_VS_AUTO_CACHE, or the system's place for what can be made again."""
    if own := os.environ.get("MANUAL_VS_AUTO_CACHE"):
        return Path(own)
    places = {"darwin": "~/Library/Caches", "win32": os.environ.get("LOCALAPPDATA", "~/AppData/Local")}
    place = os.environ.get("XDG_CACHE_HOME") or places.get(sys.platform, "~/.cache")
    return Path(place).expanduser() / "manual_vs_auto"


def compiled(lowered: Any, options: Mapping[str, Any] | None = None, device: Any = None) -> Any:
    """A program of what `jax.jit(...).lower(...)` returned.

    Args: options: the compiler's. device: the only one that it runs on; None, or what is no CPU, keeps nothing.
    """
    if device is None or device.platform != "cpu":
        return lowered.compile(compiler_options=options)
    path = None
    # Whatever may be wrong with what is kept: it is compiled.
    with suppress(Exception):
        path = _path(lowered, options)
        kept = path.read_bytes()
        if hashlib.sha256(kept[_DIGEST:]).digest() == kept[:_DIGEST]:
            from jax.experimental.serialize_executable import deserialize_and_load

            trees = lowered.in_tree, lowered.out_tree
            program = deserialize_and_load(kept[_DIGEST:], *trees, device.client, [device])
            os.utime(path)  # it was wanted
            return program
    program = lowered.compile(compiler_options=options)
    if path:
        with suppress(Exception):
            _keep(program, path)
    return program


def _keep(program: Any, path: Path) -> None:
    from jax.experimental.serialize_executable import serialize

    payload, *_ = serialize(program)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=_SUFFIX, delete=False) as file:
        file.write(hashlib.sha256(payload).digest() + payload)
    Path(file.name).replace(path)
    left = _BOUND
    for one in sorted(directory().glob(f"jaxlib-*/*{_SUFFIX}"), key=lambda one: -one.stat().st_mtime):
        left -= one.stat().st_size
        if left < 0:
            one.unlink()


def _path(lowered: Any, options: Mapping[str, Any] | None) -> Path:
    """By all that the program depends on: what it computes, how it is compiled, by what, and for which processor."""
    import jax

    asked = [lowered.as_text(), sorted((options or {}).items()), sorted(jax.config.values.items()), _processor()]
    asked.append(os.environ.get("XLA_FLAGS"))
    name = hashlib.sha256(repr(asked).encode()).hexdigest()
    return directory() / f"jaxlib-{version('jaxlib')}" / f"{name}{_SUFFIX}"


@cache
def _processor() -> tuple[str, ...]:
    """What it is and can, and how many cores there are to cut a program for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    told = {platform.machine(), platform.processor(), str(cores)}
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        told |= {line for line in lines if line.startswith(("model name", "flags", "Features"))}
    return tuple(sorted(told))
