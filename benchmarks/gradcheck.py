"""Gradient checkers on the same right and wrong gradients: faults found, false alarms, time.

Three sets: real gradients in JAX, complex ones, and the real ones as tensors of PyTorch. Each checker runs on each set
in a process of its own, so that none profits from what another has compiled, in an order drawn anew each round. Times
are those of the checks, without imports.
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

from benchmarks._checkers import CHECKERS, SETS, absent, needs
from benchmarks._measure import RESULTS, keep, machine, quartiles, table
from tests.corpus.portable import Pair

THREADS = 2
HEADS = {"real": "real, in JAX", "complex": "complex", "torch": "real, in PyTorch"}
NAMES = ("missed", "refused", "open", "raised")  # of a row, beside its figures


def few(pairs: Sequence[Pair]) -> list[Pair]:
    """The first that is right, and the first that is wrong."""
    return [next(pair for pair in pairs if (pair.fault is None) is right) for right in (True, False)]


def answers(name: str, of: str, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """What one checker says of each pair of a set, in how many seconds, and what it raised instead."""
    if needs(name, of) == "torch":
        import torch

        torch.set_num_threads(THREADS)
    found = []
    for pair in pairs:
        start, accepts, raised = time.perf_counter(), None, None
        try:
            accepts = CHECKERS[name][of](pair)
        except Exception as error:
            raised = f"{type(error).__name__}: {error}".splitlines()[0]
        seconds = time.perf_counter() - start
        found.append({"pair": pair.name, "accepts": accepts, "raised": raised, "seconds": seconds})
    return found


def in_a_process(name: str, of: str, smoke: bool) -> list[dict[str, Any]]:
    """The same in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.gradcheck", "--only", name, "--set", of, *["--smoke"] * smoke]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr.strip().splitlines()[-1] if done.stderr else done.returncode}")
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(name: str, of: str, rounds: Sequence[list[dict[str, Any]]], pairs: Sequence[Pair]) -> dict[str, Any]:
    """A checker's figures on a set. What it can't be asked, or leaves open, is neither found nor a false alarm."""
    said = {answer["pair"]: answer["accepts"] for answer in rounds[0]}
    wrong = [pair.name for pair in pairs if pair.fault is not None]
    right = [pair.name for pair in pairs if pair.fault is None]
    return {
        "checker": name,
        "set": of,
        "faults": len(wrong),
        "found": sum(said[pair] is False for pair in wrong),
        "right": len(right),
        "false_alarms": sum(said[pair] is False for pair in right),
        "no_answer": sum(accepts is None for accepts in said.values()),
        **quartiles([sum(answer["seconds"] for answer in answers) for answers in rounds]),
        "missed": [pair for pair in wrong if said[pair] is True],
        "refused": [pair for pair in right if said[pair] is False],
        "open": [pair for pair, accepts in said.items() if accepts is None],
        "raised": {answer["pair"]: answer["raised"] for answer in rounds[0] if answer["raised"] is not None},
    }


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the README: a line a checker, a column a set, and a dash where the two were not brought together."""
    cells = {(row["checker"], row["set"]): _cell(row) for row in rows}
    sizes = {row["set"]: f"{row['faults']} wrong, {row['right']} right" for row in rows}
    sets = [of for of in HEADS if of in sizes]
    lines = [[name, *(cells.get((name, of), "-") for of in sets)] for name in dict.fromkeys(name for name, _ in cells)]
    heads = ["checker", *(f"{HEADS[of]}: {sizes[of]}" for of in sets)]
    head, *rest = [f"| {' | '.join(line)} |" for line in [heads, *lines]]
    return "\n".join([head, "|---" * (1 + len(sets)) + "|", *rest])


def _cell(row: dict[str, Any]) -> str:
    left = f", {row['no_answer']} open" if row["no_answer"] else ""
    return f"{row['found']} found, {row['false_alarms']} false{left}, {row['median']:.0f} s"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gradcheck", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each checker runs (default: 3)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where gradcheck.json is left")
    parser.add_argument("--smoke", action="store_true", help="two pairs a set, one round, nothing kept: does it run?")
    parser.add_argument("--only", choices=CHECKERS, help="one checker on one --set, in this process: a line of JSON")
    parser.add_argument("--set", choices=SETS, default="real", help="the set for --only (default: real)")
    asked = parser.parse_args()
    sets = {of: few(pairs) if asked.smoke else pairs for of, pairs in SETS.items()}
    if asked.only is not None:
        if asked.set not in CHECKERS[asked.only]:
            parser.error(f"{asked.only} is not asked about {asked.set}")
        print(json.dumps(answers(asked.only, asked.set, sets[asked.set])))
        return
    rounds: dict[tuple[str, str], list[list[dict[str, Any]]]] = {}
    for name, of in [(name, of) for name, checks in CHECKERS.items() for of in checks]:
        if (reason := absent(name, of)) is None:
            rounds[name, of] = []
        else:
            print(f"{name}, {of}: absent ({reason})")
    generator = np.random.default_rng(0)
    for _ in range(1 if asked.smoke else asked.rounds):
        for name, of in generator.permutation(list(rounds)).tolist():
            rounds[name, of].append(in_a_process(name, of, asked.smoke))
            print(f"{name}, {of}: done", flush=True)
    rows = [row(name, of, each, sets[of]) for (name, of), each in rounds.items()]
    print(table([{k: v for k, v in line.items() if k not in NAMES} for line in rows]))
    print(markdown(rows))
    if not asked.smoke:
        counts = {of: len(pairs) for of, pairs in sets.items()}
        print("kept in", keep("gradcheck", {"machine": machine(), "pairs": counts, "rows": rows}, asked.out))


if __name__ == "__main__":
    main()
