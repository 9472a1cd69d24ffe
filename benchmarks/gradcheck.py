"""Gradient checkers on the same right and wrong gradients: faults found, false alarms, time.

Each checker runs in a process of its own, so that none profits from what another has compiled, in an order drawn anew
each round. Times are those of the checks, without imports.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._checkers import CHECKERS, available
from benchmarks._measure import RESULTS, keep, machine, quartiles, table
from tests.corpus.portable import ITEMS, Pair

THREADS = 2
SMOKE = ("matvec", "softmax")


def answers(name: str, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """What one checker says of each pair, and in how many seconds."""
    if name.startswith("torch"):
        import torch

        torch.set_num_threads(THREADS)
    found = []
    for pair in pairs:
        start = time.perf_counter()
        accepts = CHECKERS[name](pair)
        found.append({"pair": pair.name, "accepts": accepts, "seconds": time.perf_counter() - start})
    return found


def in_a_process(name: str, smoke: bool) -> list[dict[str, Any]]:
    """The same in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.gradcheck", "--only", name, *(["--smoke"] if smoke else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr.strip().splitlines()[-1] if done.stderr else done.returncode}")
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(name: str, rounds: Sequence[list[dict[str, Any]]], pairs: Sequence[Pair]) -> dict[str, Any]:
    """A checker's line of the table. What it can't be asked, or leaves open, is neither found nor a false alarm."""
    said = {answer["pair"]: answer["accepts"] for answer in rounds[0]}
    wrong = [pair.name for pair in pairs if pair.fault is not None]
    right = [pair.name for pair in pairs if pair.fault is None]
    return {
        "checker": name,
        "faults": len(wrong),
        "found": sum(said[pair] is False for pair in wrong),
        "right": len(right),
        "false_alarms": sum(said[pair] is False for pair in right),
        "no_answer": sum(accepts is None for accepts in said.values()),
        **quartiles([sum(answer["seconds"] for answer in answers) for answers in rounds]),
        "missed": [pair for pair in wrong if said[pair] is True],
        "refused": [pair for pair in right if said[pair] is False],
        "open": [pair for pair, accepts in said.items() if accepts is None],
    }


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the README."""
    head = "| checker | faults found | false alarms | no answer | seconds |\n|---|---:|---:|---:|---:|"
    lines = [
        f"| {row['checker']} | {row['found']} of {row['faults']} | {row['false_alarms']} of {row['right']} "
        f"| {row['no_answer']} | {row['median']:.0f} |"
        for row in rows
    ]
    return "\n".join([head, *lines])


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gradcheck", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each checker runs (default: 3)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where gradcheck.json is left")
    parser.add_argument("--smoke", action="store_true", help="a few pairs, one round, nothing kept: does it run?")
    parser.add_argument("--only", choices=CHECKERS, help="one checker, in this process: a line of JSON")
    asked = parser.parse_args()
    pairs = [pair for pair in ITEMS if not asked.smoke or pair.name.split(":")[0] in SMOKE]
    if asked.only is not None:
        print(json.dumps(answers(asked.only, pairs)))
        return
    absent = {name: reason for name, reason in available().items() if reason is not None}
    for name, reason in absent.items():
        print(f"{name}: absent ({reason})")
    rounds: dict[str, list[list[dict[str, Any]]]] = {name: [] for name in CHECKERS if name not in absent}
    generator = np.random.default_rng(0)
    for _ in range(1 if asked.smoke else asked.rounds):
        for name in generator.permutation(list(rounds)):
            rounds[str(name)].append(in_a_process(str(name), asked.smoke))
            print(f"{name} done", flush=True)
    rows = [row(name, each, pairs) for name, each in rounds.items()]
    print(table([{k: v for k, v in line.items() if k not in ("missed", "refused", "open")} for line in rows]))
    if not asked.smoke:
        print(markdown(rows))
        print("kept in", keep("gradcheck", {"machine": machine(), "pairs": len(pairs), "rows": rows}, asked.out))


if __name__ == "__main__":
    main()
