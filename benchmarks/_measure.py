"""How every benchmark here measures: interleaved rounds, medians and quartiles, and the machine's own limits."""

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_PAUSE = 0.1  # seconds
RESULTS = Path(__file__).parent / "results"
_PACKAGES = (
    "manual_vs_auto", "jax", "jaxlib", "numpy", "scipy", "optax",
    "autograd", "chex", "scikit-learn", "tokamax", "torch",
)  # fmt: skip


def interleaved(
    functions: Mapping[str, Callable[[], object]], rounds: int, again: bool = False
) -> dict[str, list[float]]:
    """Seconds of each call, in turns, so that a slow minute of the machine meets all alike.

    The order is drawn anew each round, and each waits a moment for the threads of the one before to fall asleep:
    those of some libraries go on spinning, and always in the same neighbour's time if the order stays (seen: two
    equal programs 1.7 apart). Each is called once before, which is not counted. What is returned is waited for.

    Args: again: of what is done many times over, each turn is two calls, of which the second counts: the first finds
                 the processor asleep and the caches full of another's data.
    """
    for function in functions.values():
        jax.block_until_ready(function())
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    generator = np.random.default_rng(0)
    for _ in range(rounds):
        for name in generator.permutation(list(functions)):
            time.sleep(_PAUSE)
            if again:
                jax.block_until_ready(functions[name]())
            start = time.perf_counter()
            jax.block_until_ready(functions[name]())
            seconds[name].append(time.perf_counter() - start)
    return seconds


def quartiles(seconds: Sequence[float]) -> dict[str, float]:
    """Lower quartile, median and upper quartile."""
    low, middle, high = np.quantile(seconds, [0.25, 0.5, 0.75])
    return {"quartile_1": float(low), "median": float(middle), "quartile_3": float(high)}


def machine() -> dict[str, Any]:
    """What the figures were measured on and with."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    return {
        "date": date.today().isoformat(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "devices": [device.device_kind for device in jax.devices()],
        "driver": _driver(),
        "versions": versions,
    }


def limits(rounds: int, side: int = 2048, dtype: Any = jnp.float32) -> tuple[float, float]:
    """Bytes a second of a large copy, read and written both counted, and operations a second of a large product."""
    block = jnp.ones((64 << 20,), jnp.uint8)
    square = jax.random.normal(jax.random.key(0), (side, side), dtype)
    copy, multiply = jax.jit(lambda x: x + jnp.uint8(1)), jax.jit(jnp.matmul)
    seconds = interleaved({"copy": lambda: copy(block), "product": lambda: multiply(square, square)}, rounds)
    return 2 * block.nbytes / float(np.median(seconds["copy"])), 2 * side**3 / float(np.median(seconds["product"]))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows in columns, numbers to three digits."""
    if not rows:
        return ""
    cells = [[str(name) for name in rows[0]]] + [[_cell(value) for value in row.values()] for row in rows]
    widths = [max(len(row[at]) for row in cells) for at in range(len(cells[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)


def keep(name: str, result: Mapping[str, Any], directory: Path) -> Path:
    """Write the result as JSON, and return where."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _driver() -> str | None:
    """Of an NVIDIA GPU, where there is one."""
    try:
        return Path("/proc/driver/nvidia/version").read_text().split("  ")[1].strip()
    except (OSError, IndexError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
