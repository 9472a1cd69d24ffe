"""`python -m benchmarks.sharding`: the fused loss on eight virtual devices of a CPU, and on one of them.

Eight devices on the same cores can't be faster than one. How much slower they are is what the spreading itself costs:
chunks that every device has a part of, and what has to be summed over devices.
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8 " + os.environ.get("XLA_FLAGS", "")

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks._measure import RESULTS, interleaved, keep, machine, quartiles, table
from manual_vs_auto.fused import linear_softmax_loss

SIZES, SMOKE = [(4096, 64, 8192)], [(64, 8, 512)]
# How the rows (inputs and labels) and the classes (weight) are spread.
SPREADS: dict[str, tuple[Any, Any]] = {
    "one device": (None, None),
    "rows, 8": ("data", None),
    "classes, 8": (None, "data"),
}


def runs(size: tuple[int, int, int], mode: Any, loss: Any, kind: AxisType) -> dict[str, Any]:
    """A compiled gradient by weight and inputs for each way to spread the arrays."""
    rows, features, classes = size
    generator = np.random.default_rng(0)
    weight, inputs = (generator.normal(size=s).astype(np.float32) for s in ((classes, features), (rows, features)))
    labels = generator.integers(0, classes, rows)

    def run(spread: tuple[Any, Any]) -> Any:
        by_rows, by_classes = spread
        mesh = jax.make_mesh((8,), ("data",), axis_types=(kind,))

        def put(array: Any, *spec: Any) -> Any:
            target = NamedSharding(mesh, P(*spec)) if spread != (None, None) else jax.devices()[0]
            return jax.device_put(array, target)

        given = put(weight, by_classes, None), put(inputs, by_rows, None), put(labels, by_rows)

        def value(w: Any, x: Any, t: Any) -> Any:
            return jnp.sum(linear_softmax_loss(w, x, t, mode=mode, loss=loss))

        with jax.set_mesh(mesh) if spread != (None, None) else jax.default_device(jax.devices()[0]):
            program = jax.jit(jax.value_and_grad(value, (0, 1))).lower(*given).compile()
        return lambda: program(*given)

    return {name: run(spread) for name, spread in SPREADS.items()}


def main() -> None:
    """Measure, print a table, keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharding", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small and once, to see that it runs; keeps nothing")
    parser.add_argument("--rounds", type=int, default=9, help="default: 9")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where sharding-cpu.json goes")
    asked = parser.parse_args()
    found = []
    for size in SMOKE if asked.smoke else SIZES:
        for kind in (AxisType.Auto, AxisType.Explicit)[: 1 if asked.smoke else 2]:
            for mode, loss in (("in_forward", "cross_entropy"), ("recompute", "squared_distance")):
                seconds = interleaved(runs(size, mode, loss, kind), 1 if asked.smoke else asked.rounds)
                alone = float(np.median(seconds["one device"]))
                for name, taken in seconds.items():
                    measured = {"ms": 1e3 * float(np.median(taken)), "of one device": float(np.median(taken)) / alone}
                    row = {"size": "x".join(map(str, size)), "axes": kind.name, "mode": mode, "loss": loss}
                    found.append({**row, "spread": name, **measured, **quartiles(taken)})
    print(table([{k: v for k, v in row.items() if "quartile" not in k and k != "median"} for row in found]))
    if not asked.smoke:
        print("kept in", keep("sharding-cpu", {"machine": machine(), "rows": found}, asked.out))


if __name__ == "__main__":
    main()
