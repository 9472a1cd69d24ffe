"""A process of `benchmarks.scaling`, which is told what to measure, and when: how many devices it has is settled first.

It reads what it is as JSON from its command line, prints what there is to measure and what that moves between devices,
and then for each name that it reads a line with the seconds of one turn, and how many cores that kept busy. It ends
when there is nothing more to read.
"""

import dataclasses
import json
import re
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import numpy as np

from benchmarks._cost import Work, full_pass, step
from manual_vs_auto.data import Dataset, load
from manual_vs_auto.runs.collectives import moved
from manual_vs_auto.runs.mesh import mesh_of
from manual_vs_auto.solve.objective import Objective
from manual_vs_auto.train import Config
from manual_vs_auto.train.trainer import Trainer

Turn = Callable[[], float]
Made = tuple[Work, Turn]  # of one step or one pass: what a device does for it, and its seconds
_EPOCHS = 10_000  # more than anybody asks for


def steps(mesh: str, images: int, batch: int) -> Made:
    """Steps of `train` on so many images of MNIST: the seconds of an epoch over how many it has."""
    data = load()
    some = {name: getattr(data, name)[:images] for name in ("train_images", "train_labels")}
    few = {name: getattr(data, name)[:100] for name in ("test_images", "test_labels")}
    data = dataclasses.replace(data, **some, **few)
    config = Config(batch_size=batch, epochs=_EPOCHS, optimizer="sgd", learning_rate=0.1)
    trainer = _trainer(config, data, mesh)
    epochs = trainer.epochs()
    devices = trainer.mesh.size if trainer.mesh else 1
    looped, once = moved(trainer._epoch.longest)
    work = step(devices, images / trainer.steps, data.train_images.shape[1], data.classes)
    work = _told(work, trainer._epoch.longest, looped or once)  # a loop of one round is none
    return work, lambda: next(epochs).seconds / trainer.steps


def passes(mesh: str, rows: int, features: int, classes: int) -> Made:
    """The pass of `fit` that gives the value and its gradient, in float32 over made rows."""
    generator = np.random.default_rng(0)
    made = generator.standard_normal((rows, features), np.float32), generator.integers(0, classes, rows)
    programs: list[Any] = []
    grid = mesh_of(mesh, jax.local_devices()[0])
    options: dict[str, Any] = {"loss": "cross_entropy", "l2": 1e-3, "weights": None, "intercept": False}
    with jax.enable_x64(True):
        objective = Objective(*made, classes, device=None, mesh=grid, on_program=programs.append, **options)
    theta = np.zeros((classes, features))

    def turn() -> float:
        start = time.perf_counter()
        with jax.enable_x64(True):
            objective.at(theta, np.float32)
        return time.perf_counter() - start

    turn()
    looped, once = moved(programs[0])
    assert not looped
    return _told(full_pass(grid.size if grid else 1, rows, features, classes), programs[0], once), turn


def _trainer(config: Config, data: Dataset, mesh: str) -> Trainer:
    device = jax.local_devices()[0]
    trainer = Trainer(config.resolved(len(data.train_labels)), data, device, mesh_of(mesh, device))
    trainer.compile()
    return trainer


def _told(work: Work, program: Any, by_kind: dict[str, int]) -> Work:
    """With the collectives of the compiled program, and what they move."""
    if work.devices == 1:
        return work  # a sum over one device is a copy
    count = len(re.findall(r" all-reduce(?:-start)?\(", program.as_text()))
    return dataclasses.replace(work, collectives=count, moved=sum(by_kind.values()))


def main(asked: dict[str, Any]) -> None:
    """Measure in turns.

    Args: asked: devices of each process, processes, id, port, hasty, and works: by name the function and what it takes.
    """
    jax.config.update("jax_disable_most_optimizations", asked["hasty"])
    jax.config.update("jax_num_cpu_devices", asked["devices"])
    if asked["port"]:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(
            f"127.0.0.1:{asked['port']}", asked["processes"], asked["id"], initialization_timeout=60
        )
    kinds = {"steps": cache(steps), "passes": cache(passes)}  # what two names have in common is made once
    made: dict[str, Made] = {name: kinds[kind](*given) for name, (kind, *given) in asked["works"].items()}
    for _, turn in made.values():
        turn()  # the first is not counted
    print(json.dumps({name: dataclasses.asdict(work) for name, (work, _) in made.items()}), flush=True)
    for line in sys.stdin:
        _, turn = made[line.strip()]
        turn()  # wakes the threads and fills the caches, as in a run of many
        start, working = time.perf_counter(), time.process_time()
        seconds = turn()
        print(json.dumps([seconds, (time.process_time() - working) / (time.perf_counter() - start)]), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
