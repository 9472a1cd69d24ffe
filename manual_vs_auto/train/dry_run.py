"""What a run would be and take, as a file that `--config` reads: what is no flag stands behind a #."""

import json

import jax
from jax.sharding import Mesh

from manual_vs_auto.data import Dataset
from manual_vs_auto.runs import toml
from manual_vs_auto.runs.machine import free_bytes
from manual_vs_auto.train.config import Config, as_table
from manual_vs_auto.train.facts import run_facts
from manual_vs_auto.train.trainer import Trainer


def show(config: Config, dataset: Dataset, device: jax.Device, mesh: Mesh | None) -> int:
    """Compile the run, print it, or with --json one line of it, and return the exit status.

    Raises: NoRoomError where it would not fit into memory.
    """
    trainer = Trainer(config, dataset, device, mesh, keep=config.cache)
    trainer.compile()
    memory = {"data": trainer.data_bytes, "state": trainer.state_bytes, "working": trainer.working_bytes()}
    if config.json:
        sizes = {"parameters": trainer.parameters, "epochs": config.epochs, "steps": config.epochs * trainer.steps}
        print(json.dumps({"config": as_table(config), **sizes, "memory_bytes": memory}), flush=True)
        return 0
    parts = ("of images and labels", "of weights and optimizer", "at work, as XLA plans it")
    told = ", ".join(f"{size:,} {part}" for size, part in zip(memory.values(), parts, strict=True))
    free = free_bytes(device)
    facts = run_facts(config, dataset, device, trainer) | {
        "memory": f"in bytes: {told}{f'; {free:,} are free now' if free else ''}",
        "compiling": f"{trainer.compile_seconds:.2f} s",
    }
    print(*(f"# {name:<12} {fact}" for name, fact in facts.items()), "", toml.dumps(as_table(config)), sep="\n", end="")
    return 0
