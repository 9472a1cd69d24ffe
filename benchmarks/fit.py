"""`python -m benchmarks.fit`: the time to the optimum of softmax(Wx + b), beside scikit-learn and PyTorch.

Cross-entropy with a penalty on W, float32 features, the same objective for all. For each solver the fewest iterations
are found after which the objective, in float64, is within 1e-4 of the optimum, relatively; then fits of so many
iterations are timed in turns. The first fit here, which compiles, is timed apart. Then a path of twenty penalties
beside a single fit, and what the same passes would take at the size of ImageNet: that is calculated, not measured.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._measure import RESULTS, interleaved, keep, limits, machine, quartiles, table
from benchmarks._solvers import Fit, Problem, ours, scikit_learn, torch_lbfgs
from manual_vs_auto.data import load
from manual_vs_auto.solve import minimise, path

GAP = 1e-4
_OURS = "manual_vs_auto lbfgs"
_PATIENCE = 11  # times our own seconds, and at least 15 s, before a solver is given up
IMAGENET = (1_281_167, 1024, 1000)


def made(rows: int, width: int, classes: int) -> tuple[Any, Any]:
    """Features like those of a trained network: variances that decay as 1 / rank, and labels drawn from a softmax."""
    draw = np.random.default_rng(0)
    turn = np.linalg.qr(draw.normal(size=(width, width)))[0]
    features = (draw.normal(size=(rows, width)) / (1 + np.arange(width)) ** 0.5) @ turn.T
    features /= np.sqrt(np.mean(features**2))
    logits = 2 / np.sqrt(width) * features @ draw.normal(size=(width, classes))
    return features.astype(np.float32), np.argmax(logits + draw.gumbel(size=logits.shape), axis=1)


def forest(rows: int) -> tuple[Any, Any]:
    """The shape of covertype: 10 measurements, one of 4 areas and one of 40 soils, 7 classes that are not balanced."""
    draw = np.random.default_rng(0)
    measured = draw.normal(size=(rows, 10)) @ draw.normal(size=(10, 10)) / 3
    soils = np.eye(40)[np.minimum(draw.geometric(0.1, rows) - 1, 39)]
    features = np.concatenate([measured, np.eye(4)[draw.integers(0, 4, rows)], soils], axis=1)
    logits = features @ draw.normal(size=(54, 7)) + np.log([0.36, 0.49, 0.06, 0.005, 0.016, 0.03, 0.035])
    return features.astype(np.float32), np.argmax(logits + draw.gumbel(size=logits.shape), axis=1)


def digits() -> tuple[Any, Any]:
    """scikit-learn's 1,797 digits where it is installed, else numbers of their shape."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        return made(1797, 64, 10)
    features, labels = load_digits(return_X_y=True)
    return (features / 16).astype(np.float32), labels


def problems(small: bool) -> Iterator[Problem]:
    if small:
        yield Problem("made 400 x 20 x 5", *made(400, 20, 5), 5, 1e-3)
        return
    yield Problem("digits 1,797 x 64 x 10", *digits(), 10, 1 / 1797)
    yield Problem("made 20,000 x 256 x 50", *made(20_000, 256, 50), 50, 1e-6)
    mnist = load()
    pixels = mnist.train_images.astype(np.float32) / np.float32(255)
    yield Problem("MNIST 60,000 x 784 x 10", pixels, mnist.train_labels.astype(np.int64), 10, 1e-4)
    yield Problem("covertype's shape 581,012 x 54 x 7", *forest(581_012), 7, 1 / 581_012)
    yield Problem("made 50,000 x 512 x 100", *made(50_000, 512, 100), 100, 1e-6)


def objective(problem: Problem, weight: Any, bias: Any) -> float:
    """In float64, without anything of ours."""
    total = 0.0
    for at in range(0, len(problem.labels), 8192):
        rows, labels = problem.features[at : at + 8192].astype(np.float64), problem.labels[at : at + 8192]
        logits = rows @ np.asarray(weight, np.float64).T + bias
        top = logits.max(axis=1)
        sums = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top
        total += float(np.sum(sums - logits[np.arange(len(labels)), labels]))
    return total / len(problem.labels) + problem.l2 / 2 * float(np.sum(np.asarray(weight, np.float64) ** 2))


def fewest(fit: Fit, near: Callable[[Any], bool], patience: float) -> tuple[int, float] | None:
    """The fewest iterations that are enough, and their seconds; None where it takes longer than `patience`."""

    def enough(iterations: int) -> tuple[bool, float]:
        start = time.perf_counter()
        parts = fit(iterations)
        seconds = time.perf_counter() - start
        return near(parts), seconds

    low, high = 0, 8
    while True:
        reached, seconds = enough(high)
        if reached:
            break
        if seconds > patience or high > 100_000:
            return None
        low, high = high, 2 * high
    while high - low > max(1, high // 10):  # to a tenth: the time is not known better
        middle = (low + high) // 2
        reached, took = enough(middle)
        low, high, seconds = (low, middle, took) if reached else (middle, high, seconds)
    return high, seconds


def race(problem: Problem, rounds: int, some: tuple[str, ...]) -> list[dict[str, Any]]:
    """One row a solver. Args: some: only ours, and those that have one of these in their names."""
    start = time.perf_counter()
    minimise(problem.features, problem.labels, problem.classes, l2=problem.l2)
    first = time.perf_counter() - start
    best = minimise(problem.features, problem.labels, problem.classes, l2=problem.l2, tol=1e-8, max_iter=3000)
    optimum = objective(problem, best.weight, best.bias)
    solvers: dict[str, Fit | str] = {
        _OURS: ours(problem, "lbfgs"),
        "manual_vs_auto newton": ours(problem, "newton"),
        "scikit-learn lbfgs": scikit_learn(problem, "lbfgs"),
        "scikit-learn lbfgs, BLAS in one thread": scikit_learn(problem, "lbfgs", threads=1),
        "scikit-learn newton-cg": scikit_learn(problem, "newton-cg"),
        "scikit-learn newton-cholesky": scikit_learn(problem, "newton-cholesky"),
        "scikit-learn saga": scikit_learn(problem, "saga"),
        "PyTorch LBFGS": torch_lbfgs(problem),
    }

    solvers = {name: fit for name, fit in solvers.items() if name == _OURS or any(part in name for part in some)}

    def near(parts: Any) -> bool:
        return objective(problem, *parts) - optimum <= GAP * optimum

    counts: dict[str, int] = {}
    given_up: dict[str, str] = {}
    patience = 15.0
    for name, fit in solvers.items():
        found = fit if isinstance(fit, str) else fewest(fit, near, patience)
        if isinstance(found, str):
            given_up[name] = found
        elif found is None:
            given_up[name] = f"more than {patience:.0f} s"
        else:
            counts[name] = found[0]
        if name == _OURS and name in counts:
            assert not isinstance(found, str)
            assert found is not None
            patience = max(15.0, _PATIENCE * found[1])
        print(f"{problem.name}: {name}: {counts.get(name, given_up.get(name))}", flush=True)
    fits = {name: (lambda fit=solvers[name], n=n: fit(n)) for name, n in counts.items()}
    seconds = interleaved(fits, rounds)
    own = np.array(seconds[_OURS])
    rows = [
        {
            "problem": problem.name, "solver": name, "iterations": counts[name], **quartiles(times),
            "times_ours": float(np.median(np.array(times) / own)),
            "first_fit": first if name == _OURS else None, "not_timed": None,
        }
        for name, times in seconds.items()
    ]  # fmt: skip
    blank = dict.fromkeys(rows[0])
    return rows + [blank | {"problem": problem.name, "solver": n, "not_timed": why} for n, why in given_up.items()]


def sweep(problem: Problem, rounds: int) -> dict[str, Any]:
    """Twenty penalties from 1 down to this problem's beside the last of them alone, to the same tolerance."""
    l2s = np.geomspace(problem.l2, 1.0, 20).tolist()
    data = problem.features, problem.labels, problem.classes
    functions: dict[str, Callable[[], Any]] = {
        "single": lambda: minimise(*data, l2=problem.l2),
        "path": lambda: path(*data, l2s),
    }
    seconds = interleaved(functions, rounds)
    ratio = float(np.median(np.array(seconds["path"]) / np.array(seconds["single"])))
    passes = [sum(found.evaluations for found in path(*data, l2s)), minimise(*data, l2=problem.l2).evaluations]
    return {
        "problem": problem.name, **{name: float(np.median(times)) for name, times in seconds.items()},
        "times_single": ratio, "passes_path": passes[0], "passes_single": passes[1],
    }  # fmt: skip


def at_imagenet(passes: int, rate: float) -> dict[str, Any]:
    """Calculated: so many passes of 4 N D K operations at the rate of a large product on this machine."""
    rows, width, classes = IMAGENET
    operations = 4.0 * rows * width * classes
    return {
        "shape": " x ".join(f"{n:,}" for n in IMAGENET), "passes_assumed": passes, "operations_a_pass": operations,
        "rate_assumed": rate, "minutes_calculated": passes * operations / rate / 60,
    }  # fmt: skip


def markdown(rows: list[dict[str, Any]]) -> str:
    """README's table: a line a solver, a column a problem."""
    names = list(dict.fromkeys(row["problem"] for row in rows))
    found = {(row["solver"], row["problem"]): row for row in rows}

    def cell(row: dict[str, Any] | None) -> str:
        if row is None:
            return "not run"
        if row["median"] is None:
            return "not run" if row["not_timed"].startswith("a Hessian") else row["not_timed"]
        return f"{row['median']:.2g} s ({row['times_ours']:.2g}), {row['iterations']}"

    lines = [f"| to within 1e-4 | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for solver in dict.fromkeys(row["solver"] for row in rows):
        lines.append(f"| {solver} | {' | '.join(cell(found.get((solver, name))) for name in names)} |")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds of a fit each (default: 5)")
    parser.add_argument("--only", default="", help="problems whose name has this in it")
    parser.add_argument(
        "--solvers", default="", help="only ours and those with one of these in their names: newton-cg,saga"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="where fit.json is left, or fit-some.json")
    parser.add_argument("--smoke", action="store_true", help="a few rows, one round, nothing kept: does it run?")
    asked = parser.parse_args()
    rounds = 1 if asked.smoke else asked.rounds
    rows: list[dict[str, Any]] = []
    sweeps: list[dict[str, Any]] = []
    _, rate = limits(3)
    extrapolated: dict[str, Any] = {}
    chosen = [problem for problem in problems(asked.smoke) if asked.only in problem.name]
    if not chosen:
        parser.error(f"--only {asked.only}: no problem has that in its name")
    for problem in chosen:
        rows += race(problem, rounds, tuple(asked.solvers.split(",")))
        sweeps.append(sweep(problem, rounds))
        extrapolated = at_imagenet(max(found["passes_single"] for found in sweeps), rate)
        result = {"machine": machine(), "gap": GAP, "rows": rows, "sweeps": sweeps, "extrapolated": extrapolated}
        if not asked.smoke:  # after each: the whole takes most of an hour
            print("kept in", keep("fit-some" if asked.solvers else "fit", result, asked.out), flush=True)
    print(table(rows))
    print(table(sweeps))
    print("calculated, not measured:", extrapolated)


if __name__ == "__main__":
    main()
