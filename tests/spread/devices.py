"""Steps and fits on 1, 2, 4 and 8 virtual devices, for a process of its own: it says what differs, or nothing.

Run by `test_devices`, since how many devices there are is settled when JAX starts.
"""

import os
import re
import sys
from collections.abc import Iterator
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8 " + os.environ.get("XLA_FLAGS", "")

import jax
import numpy as np

from manual_vs_auto import manual
from manual_vs_auto.data import Dataset
from manual_vs_auto.model import Batch, Params
from manual_vs_auto.runs.collectives import moved
from manual_vs_auto.runs.mesh import mesh_of
from manual_vs_auto.solve import minimise
from manual_vs_auto.solve.objective import Objective
from manual_vs_auto.train import Config
from manual_vs_auto.train.agreement import rounding_bound
from manual_vs_auto.train.epoch import order
from manual_vs_auto.train.feed import Streamed
from manual_vs_auto.train.trainer import Trainer
from tests.solve.problems import gradient, made, value

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_disable_most_optimizations", True)

DRAW = np.random.default_rng(0)
# Examples, batch, pixels, classes: none of them divides, and the last batch is short.
SHAPES = [(101, 23, 17, 7), (53, 13, 5, 3), (67, 67, 29, 11)]


def data(examples: int, pixels: int, classes: int) -> Dataset:
    images = DRAW.integers(0, 256, (examples, pixels), dtype=np.uint8)
    labels = DRAW.integers(0, classes, examples, dtype=np.int32)
    labels[:classes] = np.arange(classes)
    return Dataset("drawn", images, labels, images[:20], labels[:20], (pixels,), classes)


def steps(grid: str, shape: tuple[int, int, int, int], way: str, loss: Any, streamed: bool) -> Iterator[str]:
    """Every gradient of an epoch beside NumPy's in float64, of the batch that one device would have had."""
    examples, batch_size, pixels, classes = shape
    drawn = data(examples, pixels, classes)
    config = Config(batch_size=batch_size, epochs=2, learning_rate=0.5, optimizer="sgd", gradient=way, loss=loss)
    device = jax.devices()[0]
    trainer = Trainer(config.resolved(examples), drawn, device, mesh_of(grid, device))
    if streamed:  # each device has images of its own
        trainer._feed = Streamed(drawn, trainer._place)
    # What is looked at may be cut over devices, and is whole here.
    trainer._audit = lambda: lambda params, batch, grads: (params.weight, grads.weight)  # type: ignore[method-assign]
    trainer.compile()
    for epoch in trainer.epochs():
        for step, index in enumerate(order(0, epoch.number, examples, batch_size)):
            index = index[index < examples]
            weight, found = (np.asarray(leaf[step])[:classes] for leaf in epoch.audits)  # type: ignore[union-attr]
            batch = Batch(drawn.train_images[index], drawn.train_labels[index])
            pixel64 = Batch(batch.images / 255.0, batch.labels)
            _, expected = manual.value_and_grad(loss)(Params(weight.astype(np.float64)), pixel64)
            bound = rounding_bound(Params(weight), batch, loss)
            if not (np.abs(found - expected.weight) <= bound).all():
                yield f"epoch {epoch.number}, step {step}: {np.max(np.abs(found - expected.weight) / bound):.3g} bounds"
    looped, once = moved(trainer._epoch.longest)
    bytes_moved = looped or once  # a loop of one round is none
    # Beside the gradient the loss, and how many examples there are.
    if grid in ("data=2", "data=8") and bytes_moved != {"all-reduce": 4 * pixels * classes + 8}:
        yield f"moves {bytes_moved} a step"
    # XLA's CPU has the devices wait for each other once for each array of a sum.
    sums = re.findall(r" = (.*) all-reduce\(", trainer._epoch.longest.as_text())
    if "classes" not in grid and (len(sums) != 1 or sums[0].startswith("(")):
        yield f"sums {sums} at each step"


def searching(grid: str, loss: Any) -> Iterator[str]:
    """An optimizer that remembers steps, each as large as the parameters, beside one device."""
    drawn, device = data(53, 5, 7), jax.devices()[0]
    config = Config(epochs=4, optimizer="lbfgs", gradient="fused", loss=loss).resolved(53)
    ended = []
    for mesh in (None, mesh_of(grid, device)):
        trainer = Trainer(config, drawn, device, mesh)
        trainer.compile()
        ended.append([epoch.loss for epoch in trainer.epochs()])
        if {leaf.shape[-2] for leaf in trainer.state().values() if leaf.ndim > 1} != {7}:
            yield "keeps what fills up its parameters"
    alone, spread = ended
    if not np.allclose(alone, spread, rtol=1e-5):
        yield f"goes to {spread}, and one device to {alone}"


def passes(count: int, loss: Any, intercept: bool) -> Iterator[str]:
    """The objective, its gradient and its Hessian's product beside NumPy's, and beside one device's."""
    features, labels = made(203, 5, 4)
    weights = DRAW.uniform(size=203)
    shares = weights / weights.sum()
    mesh = mesh_of(f"data={count}", jax.devices()[0])
    options: dict[str, Any] = {"loss": loss, "l2": 0.1, "weights": weights, "intercept": intercept, "device": None}
    ours, alone = (Objective(features, labels, 4, mesh=where, **options) for where in (mesh, None))
    theta = ours.joined(DRAW.normal(size=(4, 5)), DRAW.normal(size=4) * intercept)
    weight, bias = ours.parts(theta)
    near = 10 * 50 * np.finfo(np.float64).eps
    there = ours.at(theta)
    expected = gradient(loss, features, labels, shares, 0.1, weight, bias)[:, : theta.shape[1]]
    if not np.abs(there.gradient - expected).max() <= near:
        yield f"its gradient is off by {np.abs(there.gradient - expected).max():.2g}"
    if not abs(there.value - value(loss, features, labels, shares, 0.1, weight, bias)) <= near:
        yield "its value is off"
    direction = np.asarray(DRAW.normal(size=theta.shape))
    if not np.abs(ours.product(theta, direction) - alone.product(theta, direction)).max() <= near:
        yield "its Hessian's product is off"


def fits(count: int) -> Iterator[str]:
    """The optimum, in as many steps as one device takes."""
    features, labels = made(1009, 13, 5)
    mesh = mesh_of(f"data={count}", jax.devices()[0])
    found, alone = (minimise(features, labels, 5, l2=1e-3, tol=1e-6, mesh=where) for where in (mesh, None))
    if found.iterations != alone.iterations:
        yield f"takes {found.iterations} steps, and one device {alone.iterations}"
    if not abs(found.objective - alone.objective) <= 1e-9 * alone.objective:
        yield f"ends at {found.objective}, and one device at {alone.objective}"
    if not np.abs(found.weight - alone.weight).max() <= 1e-6 * np.abs(alone.weight).max():
        yield "ends elsewhere"


def main(whole: bool) -> None:
    """Of both losses one at a time, in turns, but all of them for the whole."""
    losses = ("squared_distance", "cross_entropy")
    bad: list[str] = []

    def some(number: int) -> tuple[str, ...]:
        return losses if whole else (losses[number % 2],)

    for at, count in enumerate((1, 2, 4, 8) if whole else (2, 4, 8)):
        grid = f"data={count}"
        for number, shape in enumerate(SHAPES):
            way = ("manual", "auto", "fused")[(number + at) % 3]
            for loss in some(number + at // 2):
                bad += [
                    f"{grid}, {shape}, {way}, {loss}: {said}" for said in steps(grid, shape, way, loss, number == 1)
                ]
        for intercept in (False, True):
            for loss in some(at + intercept):
                bad += [f"{grid}, {loss}: {said}" for said in passes(count, loss, intercept)]
        bad += [f"{grid}, a fit: {said}" for said in fits(count)]
    for at, grid in enumerate(("classes=1", "classes=2", "data=2,classes=4", "classes=8", "data=4,classes=2")):
        for loss in some(at):
            if whole or grid == "data=2,classes=4":
                bad += [f"{grid}, lbfgs: {said}" for said in searching(grid, loss)]
            bad += [f"{grid}, {loss}: {said}" for said in steps(grid, SHAPES[0], "fused", loss, at % 2 == 0)]
    print(*bad, sep="\n")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main(sys.argv[1:] == ["whole"])
