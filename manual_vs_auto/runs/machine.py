"""What a result was computed with: versions, device, precision."""

import os
import platform
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import jax

from manual_vs_auto import __version__
from manual_vs_auto.runs.errors import UsageError

_CGROUPS = [
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
]
_PACKAGES = ("jax", "jaxlib", "numpy", "optax")


@cache  # each is read from a file as long as its README
def versions() -> dict[str, str]:
    """Of Python and of every package that a result depends on."""
    own = {"python": platform.python_version(), "manual_vs_auto": __version__}  # which need not be installed
    return own | {name: version(name) for name in _PACKAGES}


def device_of(name: str) -> jax.Device:
    """The first of this process, "cpu", "gpu", or with "auto" what JAX prefers. Raises: UsageError if there is none."""
    if name == "cpu":
        jax.config.update("jax_platforms", "cpu")
    if devices := _devices(None if name == "auto" else name):
        return devices[0]
    here = ", ".join(sorted({device.platform for device in _devices(None)})) or "nothing at all"
    hint = "; the extra `cuda` installs JAX for NVIDIA's" if name == "gpu" else ""
    if allowed := os.environ.get("JAX_PLATFORMS"):
        hint += f"; JAX_PLATFORMS={allowed} allows it nothing else: unset that, or ask for --device cpu"
    raise UsageError(f"--device {name}: JAX sees none here, only {here}{hint}")


def _devices(platform: str | None) -> list[jax.Device]:
    try:
        return list(jax.local_devices(backend=platform))
    except (RuntimeError, AssertionError):  # the second where JAX_PLATFORMS names what is not there
        return []


def device_name(device: jax.Device) -> str:
    """The device as a person would name it."""
    if device.platform == "cpu":
        return f"cpu, {os.cpu_count()} cores, {platform.machine()}"
    return f"{device.platform}, {device.device_kind}"


def free_bytes(device: jax.Device) -> int | None:
    """How much memory is left to a program on this device; None where nobody says."""
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        return stats["bytes_limit"] - stats["bytes_in_use"] if "bytes_limit" in stats else None
    left = []
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        left += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    for limit, used in _CGROUPS:  # a container's own
        with suppress(OSError, ValueError):
            left.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
    return min(left, default=None)


def matmul_precision() -> str:
    """How many bits of a float32 matrix product JAX has been told to keep."""
    return str(getattr(jax.config, "jax_default_matmul_precision", None) or "JAX's default")
