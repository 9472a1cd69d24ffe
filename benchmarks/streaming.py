"""`python -m benchmarks.streaming`: epochs over images that stay in their file, beside the same with all in memory.

Deformed copies of MNIST, as `python -m manual_vs_auto.data.deform` writes them, first as many as fit into memory: an
epoch each way, in turns, with Adam and the hand-written gradient, the drawing of its order included. Then as many as
`--whole` says, on which the command trains in a process of its own, whose peak memory the system tells.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks._measure import RESULTS, interleaved, keep, machine, quartiles, table
from manual_vs_auto.data import Dataset, deform, load, mapped
from manual_vs_auto.train.config import Config
from manual_vs_auto.train.configured import configure
from manual_vs_auto.train.trainer import Trainer

BATCHES = (64, 512, 4096)
WAYS = {"in memory": sys.maxsize, "read ahead": 0}  # from how many bytes on images stay in their file
PEAK = """
import re, sys
from pathlib import Path
from manual_vs_auto.data import mapped
mapped.LEAST = {least}
from manual_vs_auto.train.__main__ import main
status = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
sys.exit(status)
"""


def loaded(path: Path, least: int) -> Dataset:
    """The data set, whose training images stay in their file from so many bytes on."""
    before, mapped.LEAST = mapped.LEAST, least
    try:
        return load(path)
    finally:
        mapped.LEAST = before


def rates(path: Path, batches: tuple[int, ...], rounds: int) -> list[dict[str, Any]]:
    """One row a batch size and way."""
    ways = {name: loaded(path, least) for name, least in WAYS.items()}
    rows = []
    for batch in batches:
        seconds = interleaved({name: epoch(data, batch) for name, data in ways.items()}, rounds)
        for name, taken in seconds.items():
            examples, ratio = len(ways[name].train_labels), np.array(seconds["in memory"]) / np.array(taken)
            rows.append(
                {"batch": batch, "way": name, "images_per_second": examples / float(np.median(taken)),
                 "of_in_memory": float(np.median(ratio)), **quartiles(taken)}
            )  # fmt: skip
    return rows


def epoch(data: Dataset, batch: int) -> Callable[[], object]:
    """The next epoch of a run."""
    config = Config(batch_size=batch, epochs=1_000_000).resolved(len(data.train_labels))
    trainer = Trainer(config, data, configure(config))
    trainer.compile()
    epochs = trainer.epochs()
    return lambda: next(epochs).weight


def trained(path: Path, batch: int, least: int) -> dict[str, Any]:
    """A run of two epochs, and the most memory that its process had, in bytes; None where the system has no /proc."""
    flags = ["--data", str(path), "--batch-size", str(batch), "--epochs", "2", "--json"]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PEAK.format(least=least), *flags], capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - start
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    peak = None
    with suppress(ValueError, IndexError):
        peak = 1024 * int(done.stderr.split()[-1])
    return {
        "batch": batch,
        "images_per_second": [line["images_per_second"] for line in lines],
        "test_accuracy": lines[-1]["test_accuracy"],
        "seconds": seconds,
        "peak_bytes": peak,
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The README's table."""
    lines = ["| batch | in memory, images/s | read ahead, images/s | of in memory |", "|---:|---:|---:|---:|"]
    for batch in dict.fromkeys(row["batch"] for row in rows):
        held, read = (next(r for r in rows if (r["batch"], r["way"]) == (batch, way)) for way in WAYS)
        lines.append(
            f"| {batch} | {held['images_per_second']:,.0f} | {read['images_per_second']:,.0f} | "
            f"{read['of_in_memory']:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print a table, keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="default: 9")
    parser.add_argument("--copies", type=int, default=20, help="of MNIST that fit into memory (default: 20)")
    parser.add_argument("--whole", type=int, default=135, help="copies that the command trains on (default: 135)")
    parser.add_argument("--scratch", type=Path, help="a directory on a disk with room for them")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where streaming.json is left")
    parser.add_argument("--smoke", action="store_true", help="a few, one round, nothing kept: does it run?")
    asked = parser.parse_args()
    copies, whole = (1, 1) if asked.smoke else (asked.copies, asked.whole)
    with TemporaryDirectory(dir=asked.scratch) as scratch:
        few = Path(scratch) / "few"
        deform.write(few, load(), copies, 0)
        rows = rates(few, (4096,) if asked.smoke else BATCHES, 1 if asked.smoke else asked.rounds)
        print(table([{name: value for name, value in row.items() if "quartile" not in name} for row in rows]))
        many, start = Path(scratch) / "many", time.perf_counter()
        deform.write(many, load(), whole, 0)
        written = {"images": whole * 60_000, "seconds": time.perf_counter() - start}
        run = trained(many, 4096, 0 if asked.smoke else mapped.LEAST)
    print(written, run, sep="\n")
    if not asked.smoke:
        result = {"machine": machine(), "copies": copies, "epochs": rows, "written": written, "whole": run}
        print("kept in", keep("streaming", result, asked.out))


if __name__ == "__main__":
    main()
