"""A command of the tests: processes that add up in steps what each of them has, and keep the sum at each boundary.

    python -m tests.processes.steps --out DIR --steps N [--fact F] [--stop-at N] ... [flags of processes]

Process I has I + 1 in each of its two elements. Process 0 keeps `{"step": ..., "sum": ...}` in DIR/kept.json; whatever
ends it, that is a whole step's. A step takes --seconds beside.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from manual_vs_auto import command
from manual_vs_auto.runs import processes, signals
from manual_vs_auto.runs.errors import UsageError


def main() -> int:
    parser = argparse.ArgumentParser("steps")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--fact", default="")
    parser.add_argument("--stop-at", type=int, default=-1)
    parser.add_argument("--fail-at", type=int, default=-1)
    parser.add_argument("--idle", type=int, default=0)
    parser.add_argument("--unwaited", action="store_true")
    parser.add_argument("--raise-at", type=int, default=-1)
    processes.flags(parser)
    values = vars(parser.parse_args())
    asked = processes.taken(parser, values)
    return processes.through(asked, "steps", lambda: work(argparse.Namespace(**values)))


def work(options: argparse.Namespace) -> int:
    import jax
    import numpy as np
    from jax.sharding import NamedSharding, PartitionSpec

    from manual_vs_auto.runs.awaited import awaited
    from manual_vs_auto.runs.processes import agreement, runtime

    agreement.expect_same({"fact": options.fact, "steps": str(options.steps)})
    mesh = jax.make_mesh((len(jax.devices()),), ("data",))
    cut, whole = NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
    mine = np.full(2 * len(jax.local_devices()), 1 + jax.process_index(), np.int32)
    array = jax.make_array_from_process_local_data(cut, mine)
    total = jax.jit(lambda x: x.sum(), out_shardings=whole).lower(array).compile()
    first, kept = runtime.is_first(), options.out / "kept.json"
    agreement.meet()
    added, done = 0, 0
    for _ in range(options.idle):
        agreement.agreed()
    print("step 0", flush=True)
    if kept.exists():
        added, done = (json.loads(kept.read_text())[name] for name in ("sum", "step"))
    try:
        for step in range(done + 1, options.steps + 1):
            added += int(total(array) if options.unwaited else awaited(total, array))
            awaited(time.sleep, options.seconds)
            if not first and step == options.fail_at:
                raise UsageError("it fails")
            if not first and step == options.raise_at:
                raise ZeroDivisionError("it raises")
            if first:
                kept.with_suffix(".partial").write_text(json.dumps({"step": step, "sum": added}))
                kept.with_suffix(".partial").replace(kept)
            print("step", step, flush=True)
            done = step
            if agreement.agreed(first and step == options.stop_at):
                break
    except KeyboardInterrupt:
        alone = "" if runtime.member and runtime.member.agreed else ", alone"
        print(f"{signals.said()} after {done}{alone}", file=sys.stderr)
        return signals.status()
    print("ended after", done)
    return 0


if __name__ == "__main__":
    signals.listen()
    command.run(main, leave=os._exit)
