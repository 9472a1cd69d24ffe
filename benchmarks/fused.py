"""`python -m benchmarks.fused`: the loss of softmax(Wx) with both gradients, from ten classes to 262,144.

All systems of a size take turns in one process, and so do three bare matrix products of the same shapes and a large
one. Peak memory is of a process for each. A win is one against the best of the others.
"""

import argparse
import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._losses import SYSTEMS, products, reference
from benchmarks._measure import RESULTS, interleaved, keep, limits, machine, quartiles, table

DTYPES = (("float32",), ("bfloat16", "float32"))  # without a GPU and with one
LOSSES = ("cross_entropy", "squared_distance")
# Rows, features, classes; rounds.
CPU = {(60000, 784, 10): 15, (4096, 256, 32768): 7, (512, 256, 262144): 3, (8192, 512, 131072): 1}
GPU = {(4096, 4096, 128256): 9, (8192, 784, 262144): 7, (8192, 2304, 256000): 7, (60000, 784, 10): 15}
SMOKE = {(32, 8, 600): 1}
LEAN = (8192, 256, 262144)  # where one copy of the logits is 8.6 GB: only what holds none of them runs
_LONG = 1e12  # operations of a gradient, above which peak memory and float64 are not asked of a CPU
_LABELS = {"cross_entropy": "cross-entropy", "squared_distance": "squared distance"}


def arrays(size: tuple[int, int, int], dtype: Any) -> tuple[Any, Any, Any]:
    """Logits of variance 4, labels at random."""
    rows, features, classes = size
    keys = jax.random.split(jax.random.key(0), 3)
    weight = (2 * features**-0.5 * jax.random.normal(keys[0], (classes, features))).astype(dtype)
    inputs = jax.random.normal(keys[1], (rows, features)).astype(dtype)
    return weight, inputs, jax.random.randint(keys[2], (rows,), 0, classes)


def fits(name: str, size: tuple[int, int, int]) -> bool:
    """Whether what a system stores, up to four copies of the logits in float32, fits in the memory, and its time."""
    if name.startswith("fused") or "chunks" in name:
        return True
    if (
        jax.default_backend() == "cpu"
        and _work(size) > _LONG
        and name in ("jax.grad, one-hot", "optax", "tokamax", "torch")
    ):
        return False  # each half a minute a gradient, and like its neighbour
    device = jax.devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    held = 1024 * int(Path("/proc/meminfo").read_text().split()[1]) if stats is None else stats["bytes_limit"]
    return 4 * 4 * size[0] * size[2] < 0.8 * held


def peak(name: str, loss: str, size: tuple[int, int, int], dtype: str) -> int | None:
    """Bytes that a process of its own holds at most beyond its arrays, the program and the results included."""
    asked = [name, loss, ",".join(map(str, size)), dtype]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fused", "--peak", *asked], capture_output=True, text=True, check=False
    )
    return int(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def print_peak(name: str, loss: str, size: str, dtype: str) -> None:
    """What `peak` reads."""
    given = arrays(tuple(map(int, size.split(","))), jnp.dtype(dtype))  # type: ignore[arg-type]
    before = _high_water()
    made = SYSTEMS[name](loss, *given)
    assert made is not None
    jax.block_until_ready(made[0]())
    print(_high_water() - before)


def _high_water() -> int:
    """The most bytes that this process has held: Linux's count begins with the process, getrusage's with its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def error(found: Any, right: tuple[Any, Any]) -> float:
    """The largest difference of both gradients, relative to the largest number of each."""
    worst = 0.0
    with jax.enable_x64(True):
        for ours, expected in zip(found[1], right, strict=True):
            wide = jnp.asarray(ours if isinstance(ours, jax.Array) else jnp.from_dlpack(ours.detach()), jnp.float64)
            worst = max(worst, float(jnp.max(jnp.abs(wide - expected)) / jnp.max(jnp.abs(expected))))
    return worst


def exact(loss: str, size: tuple[int, int, int], given: Any) -> tuple[Any, Any] | None:
    """The float64 gradients: by NumPy, or by JAX on a GPU, which is faster there."""
    if jax.default_backend() != "cpu":
        with jax.enable_x64(True):
            return reference(jnp, loss, *given)
    return reference(np, loss, *given) if _work(size) < _LONG else None


def measured(
    size: tuple[int, int, int], loss: str, dtype: str, rounds: int, rate: float, peaks: int
) -> list[dict[str, Any]]:
    """A row a system; peak memory of the first `peaks` of them."""
    given = arrays(size, jnp.dtype(dtype))
    right = exact(loss, size, given)
    calls: dict[str, Callable[[], object]] = {}
    facts: dict[str, dict[str, Any]] = {}
    absent = []
    for name, maker in SYSTEMS.items():
        made = maker(loss, *given) if fits(name, size) else None
        if made is None:
            absent.append(name)
            continue
        calls[name], program = made
        analysis = program.memory_analysis() if program is not None else None
        facts[name] = {
            "temporaries": None if analysis is None else analysis.temp_size_in_bytes,
            "error": None if right is None else error(calls[name](), right),
        }
    del right
    bare = products(*given[:2])
    assert bare is not None
    calls["three products"], facts["three products"] = bare[0], {"temporaries": None, "error": None}
    seconds = interleaved(calls, rounds)
    work = _work(size)
    alone = work < _LONG and jax.default_backend() == "cpu"
    rows = []
    for name, times in seconds.items():
        held = peak(name, loss, size, dtype) if alone and name in list(SYSTEMS)[:peaks] else None
        found = quartiles(times)
        rows.append(
            {"size": "x".join(map(str, size)), "loss": loss, "dtype": dtype, "system": name, **found,
             "times_products": found["median"] / float(np.median(seconds["three products"])),
             "temporaries": facts[name]["temporaries"], "peak": held, "rate": work / found["median"],
             "share": work / found["median"] / rate, "error": facts[name]["error"]}
        )  # fmt: skip
    print(table([{k: v for k, v in row.items() if k not in ("size", "loss", "dtype")} for row in rows]))
    if absent:
        print(f"no such loss, not installed, or does not fit: {', '.join(absent)}")
    print(flush=True)
    return rows


def _work(size: tuple[int, int, int]) -> float:
    """The operations of the three products of a gradient."""
    return 6 * float(np.prod(size, dtype=float))


def lean() -> list[dict[str, Any]]:
    """Once, where the logits do not fit."""
    given = arrays(LEAN, jnp.float32)
    rows = []
    for loss in LOSSES:
        made = SYSTEMS["fused recompute"](loss, *given)
        assert made is not None
        times = interleaved({"fused recompute": made[0]}, 1)["fused recompute"]
        rows.append({"size": "x".join(map(str, LEAN)), "loss": loss, "dtype": "float32", "system": "fused recompute",
                     **quartiles(times), "temporaries": made[1].memory_analysis().temp_size_in_bytes})  # fmt: skip
    print(table(rows), flush=True)
    return rows


def findings(rows: list[dict[str, Any]]) -> list[str]:
    """How the faster of ours stands to the best of the others, size by size."""
    said = []
    for size, loss, dtype in dict.fromkeys((row["size"], row["loss"], row["dtype"]) for row in rows):
        chosen = [row for row in rows if (row["size"], row["loss"], row["dtype"]) == (size, loss, dtype)]
        ours = min((row for row in chosen if row["system"].startswith("fused")), key=lambda row: row["median"])
        others = [row for row in chosen if not row["system"].startswith(("fused", "three"))]
        best = min(others, key=lambda row: row["median"])
        said.append(
            f"{size} {_LABELS[loss]} {dtype}: {ours['system']} {ours['median']:.3g} s; the best of {len(others)} "
            f"others, {best['system']}, takes {best['median'] / ours['median']:.2f} times that; "
            f"three bare products {1 / ours['times_products']:.2f} times"
        )
    return said


def markdown(rows: list[dict[str, Any]], size: str, dtype: str) -> str:
    """The README's table of a size: times in ms, beside those of the three products, and temporaries."""
    head = (
        "| system | cross-entropy, ms | of three products | temporaries, MB | squared distance, ms | of three products "
        "| temporaries, MB |\n|---|---:|---:|---:|---:|---:|---:|"
    )
    lines = []
    for name in [*SYSTEMS, "three products"]:
        cells = []
        for loss in LOSSES:
            asked = (size, dtype, loss, name)
            found = [row for row in rows if (row["size"], row["dtype"], row["loss"], row["system"]) == asked]
            for row in found:
                held = "" if row["temporaries"] is None else f"{row['temporaries'] / 1e6:,.0f}"
                time = f"{1000 * row['median']:,.0f}" if row["median"] > 0.2 else f"{1000 * row['median']:.1f}"
                cells += [time, f"{row['times_products']:.2f}", held]
            if not found:
                cells += [""] * 3
        if any(cells):
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([head, *lines])


def plot(rows: list[dict[str, Any]], device: str, path: Path) -> None:
    """Time and temporaries at the first size of many classes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size, dtype = next((row["size"], row["dtype"]) for row in rows if not row["size"].endswith("x10"))
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.8), layout="constrained", sharey=True)
    names = [name for name in [*SYSTEMS, "three products"] if any(row["system"] == name for row in rows)]
    for offset, loss in enumerate(LOSSES):
        for axis, field, scale in ((axes[0], "median", 1.0), (axes[1], "temporaries", 1e-6)):
            asked = (size, dtype, loss)
            chosen = {row["system"]: row[field] for row in rows
                      if (row["size"], row["dtype"], row["loss"]) == asked and row[field] is not None}  # fmt: skip
            axis.barh([names.index(name) + 0.4 * offset - 0.2 for name in chosen],
                      [scale * value for value in chosen.values()], height=0.38, label=_LABELS[loss])  # fmt: skip
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    axes[0].set_xlabel("seconds a gradient")
    axes[1].set_xlabel("MB of temporaries")
    axes[1].set_xscale("log")
    axes[1].set_xlim(left=1)
    axes[1].xaxis.set_major_formatter("{x:,.0f}")
    for axis in axes:
        axis.grid(axis="x", alpha=0.3)
        axis.set_axisbelow(True)
    axes[0].legend()
    figure.suptitle(f"softmax(Wx), {size} (rows x features x classes), {dtype}, on {device}")
    figure.savefig(path)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fused", description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS, help="where fused-DEVICE.json and .svg are left")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, one round, nothing kept: does it run?")
    parser.add_argument("--peak", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peak:
        print_peak(*asked.peak)
        return
    device = jax.default_backend()
    sizes = SMOKE if asked.smoke else CPU if device == "cpu" else GPU
    side = 256 if asked.smoke else 4096 if device == "cpu" else 8192
    rates = {dtype: limits(3 if asked.smoke else 9, side, jnp.dtype(dtype))[1] for dtype in DTYPES[device == "gpu"]}
    rows: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []

    def left() -> None:
        result = {"machine": machine(), "findings": findings(rows), "product_rates": rates, "rows": rows, "lean": lines}
        print("kept in", keep(f"fused-{device}", result, asked.out), flush=True)

    for dtype in rates:
        for size, rounds in sizes.items():
            if _work(size) > _LONG and device == "cpu":
                lines += lean()
            for loss in LOSSES:
                print(f"{'x'.join(map(str, size))} {loss} {dtype}", flush=True)
                rows += measured(size, loss, dtype, rounds, rates[dtype], 1 if asked.smoke else len(SYSTEMS))
                gc.collect()
                if not asked.smoke:
                    left()  # what follows may not fit
    print("\n".join(findings(rows)))
    if asked.smoke:
        return
    where = machine()["processor"] if device == "cpu" else jax.devices()[0].device_kind
    plot(rows, where, asked.out / f"fused-{device}.svg")


if __name__ == "__main__":
    main()
