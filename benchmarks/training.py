"""`python -m benchmarks.training`: an epoch of MNIST by hand-coded and by automatic gradients, and elsewhere.

Plain gradient descent on softmax(Wx) with squared distance, float32, the same layouts and the same order for all. The
machine's limit is measured in the same run: the longer of bytes over the rate of a large copy and operations over the
rate of a large matrix product. Then, process by process, the time from its start to 92% and 92.5% test accuracy.
"""

import argparse
import dataclasses
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks._measure import RESULTS, interleaved, keep, limits, machine, quartiles, table
from benchmarks._rivals import numpy_epoch, numpy_step, sklearn_epoch, torch_epoch
from manual_vs_auto import auto, manual, model
from manual_vs_auto.data import Dataset, load
from manual_vs_auto.train.epoch import State, make_epoch, order
from manual_vs_auto.train.place import Place

BATCHES = (32, 64, 128, 512, 4096)
RATE = 0.1
TARGETS = (0.92, 0.925)


def epoch_times(data: Dataset, batches: tuple[int, ...], rounds: int, say: Callable[..., None]) -> list[dict[str, Any]]:
    """One row a batch size and system."""
    bandwidth, rate = limits(rounds)
    rows = []
    for batch in batches:
        drawn = order(0, 1, len(data.train_images), batch)
        functions: dict[str, Callable[[], object]] = {}
        compiling: dict[str, float] = {}
        for name, module in (("manual", manual), ("auto", auto)):
            functions[name], compiling[name] = jax_epoch(data, module.value_and_grad(), drawn)
        others = {
            "numpy": numpy_epoch(data, RATE),
            "torch": torch_epoch(data, RATE),
            "scikit-learn": sklearn_epoch(data, RATE, batch),
        }
        for name, epoch in others.items():
            if epoch is not None:
                functions[name] = functools.partial(epoch, drawn)
        seconds = interleaved(functions, rounds, again=True)
        examples, features = data.train_images.shape
        weights = 4 * data.classes * features
        floor = max(
            (examples * features + 2 * weights * len(drawn)) / bandwidth,
            4 * examples * features * data.classes / rate,
        )
        for name, times in seconds.items():
            rows.append(
                {"batch": batch, "system": name, **quartiles(times), "images_per_second": examples / np.median(times),
                 "times_the_limit": float(np.median(times)) / floor, "limit": floor,
                 "times_manual": float(np.median(np.array(times) / np.array(seconds["manual"]))),
                 "compile_seconds": compiling.get(name)}
            )  # fmt: skip
        absent = [name for name, epoch in others.items() if epoch is None]
        say(f"batch {batch} done" + (f"; absent: {', '.join(absent)}" if absent else ""), flush=True)
    return rows


def jax_epoch(data: Dataset, value_and_grad: Any, drawn: Any) -> tuple[Callable[[], object], float]:
    """An epoch that carries its state on, and how long it took to compile."""
    optimizer = optax.with_extra_args_support(optax.sgd(RATE))
    gradient = Place(jax.devices()[0]).gradient(value_and_grad, "squared_distance")
    epoch = make_epoch(gradient, optimizer, jnp.float32, lambda *_: None)
    params = model.init(data.classes, data.train_images.shape[1], jnp, jnp.float32)
    state = State(params, optimizer.init(params))
    images, labels, index = jax.device_put((data.train_images, data.train_labels, drawn))
    start = time.perf_counter()
    compiled = epoch.lower(state, images, labels, index).compile()
    compiling = time.perf_counter() - start

    def run() -> object:
        nonlocal state
        state, steps = compiled(state, images, labels, index)
        return state, steps

    return run, compiling


def times_to_accuracy(rounds: int, flags: list[str]) -> list[dict[str, Any]]:
    """Seconds from a process's start to each target, in turns. Whole epochs are counted, as each is evaluated.

    "again" is a run whose programs one before has kept.
    """
    trainer = [sys.executable, "-m", "manual_vs_auto.train", "--json", *flags]
    commands = {
        "manual": [*trainer, "--gradient", "manual", "--no-cache"],
        "manual again": [*trainer, "--gradient", "manual"],
        "auto": [*trainer, "--gradient", "auto", "--no-cache"],
        "numpy": [sys.executable, "-m", "benchmarks.training", "--numpy-process"],
    }
    with tempfile.TemporaryDirectory() as kept:
        environment = os.environ | {"MANUAL_VS_AUTO_CACHE": kept}
        subprocess.run(commands["manual again"], stdout=subprocess.DEVNULL, env=environment, check=True)
        return _in_turns(commands, environment, rounds)


def _in_turns(commands: dict[str, list[str]], environment: dict[str, str], rounds: int) -> list[dict[str, Any]]:
    reached: dict[str, dict[float, list[float]]] = {name: {target: [] for target in TARGETS} for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            start = time.perf_counter()
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
                assert process.stdout is not None
                missing = set(TARGETS)
                for line in process.stdout:
                    accuracy = json.loads(line)["test_accuracy"]
                    for target in [t for t in missing if accuracy >= t]:
                        reached[name][target].append(time.perf_counter() - start)
                        missing.remove(target)
    return [
        {"system": name, "target": target, **quartiles(seconds)}
        for name, by_target in reached.items()
        for target, seconds in by_target.items()
        if seconds
    ]


def numpy_process() -> None:
    """The command's own default run, by the notes' formulas and Adam in NumPy: a line of JSON an epoch."""
    data, epochs, batch, peak = load(), 8, 64, 3e-3
    weight = np.zeros((10, 784), np.float32)
    mean, square, step = np.zeros_like(weight), np.zeros_like(weight), 0
    steps = epochs * len(order(0, 1, 60_000, batch))
    test = data.test_images.astype(np.float32) * np.float32(1 / 255)
    for epoch in range(1, epochs + 1):
        for index in order(0, epoch, 60_000, batch):
            index = index[index < 60_000]
            x = data.train_images[index].astype(np.float32) * np.float32(1 / 255)
            gradient = numpy_step(weight, x, data.train_labels[index])
            rate = np.float32(peak * 0.5 * (1 + np.cos(np.pi * step / steps)))
            step += 1
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient * gradient
            weight = weight - rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        accuracy = float(np.mean(np.argmax(test @ weight.T, axis=1) == data.test_labels))
        print(json.dumps({"epoch": epoch, "test_accuracy": accuracy}), flush=True)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Images a second against the batch size, with the machine's limit."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for name in dict.fromkeys(row["system"] for row in rows):
        chosen = [row for row in rows if row["system"] == name]
        axes.plot([row["batch"] for row in chosen], [row["images_per_second"] for row in chosen], "o-", label=name)
    manual_rows = [row for row in rows if row["system"] == "manual"]
    examples = manual_rows[0]["images_per_second"] * manual_rows[0]["median"]
    axes.plot([row["batch"] for row in manual_rows], [examples / row["limit"] for row in manual_rows], "k:",
              label="the machine's limit")  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="batch size", ylabel="images a second")
    axes.set_title("An epoch of softmax(Wx) on MNIST")
    axes.set_xticks([row["batch"] for row in manual_rows], [str(row["batch"]) for row in manual_rows])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper")
    figure.savefig(path)


def finding(rows: list[dict[str, Any]]) -> str:
    """What the comparison of hand-coded and automatic shows, from its own figures."""
    ratios = {row["batch"]: row["times_manual"] for row in rows if row["system"] == "auto"}
    spread = max(
        (row["quartile_3"] - row["quartile_1"]) / row["median"] for row in rows if row["system"] in ("manual", "auto")
    )
    listed = ", ".join(f"{ratio:.2f} at {batch}" for batch, ratio in ratios.items())
    verdict = "equal" if all(abs(ratio - 1) <= spread for ratio in ratios.values()) else "not equal everywhere"
    return (
        f"auto takes {listed} times the time of manual; a run's own quartiles lie up to {spread:.0%} apart, "
        f"so the two are {verdict} within what this machine can tell"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds of an epoch each (default: 9)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where training.json and training.svg are left")
    parser.add_argument("--smoke", action="store_true", help="a few images, one round, nothing kept: does it run?")
    parser.add_argument("--json", action="store_true", help="print what is kept; tables go to the standard error")
    parser.add_argument("--numpy-process", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.numpy_process:
        numpy_process()
        return
    data = load()
    batches: tuple[int, ...] = BATCHES
    rounds, flags = asked.rounds, list[str]()
    if asked.smoke:
        data = dataclasses.replace(data, train_images=data.train_images[:1000], train_labels=data.train_labels[:1000])
        batches, rounds, flags = (64, 512), 1, ["--epochs", "2"]
    say = functools.partial(print, file=sys.stderr) if asked.json else print
    epochs = epoch_times(data, batches, rounds, say)
    say(table(epochs))
    if not asked.smoke:
        say(finding(epochs))
    to_accuracy = times_to_accuracy(1 if asked.smoke else 5, flags)
    say(table(to_accuracy))
    result = {"machine": machine(), "finding": finding(epochs), "epochs": epochs, "to_accuracy": to_accuracy}
    if asked.json:
        print(json.dumps(result, indent=2))
    if not asked.smoke:
        say("kept in", keep("training", result, asked.out))
        plot(epochs, asked.out / "training.svg")


if __name__ == "__main__":
    main()
