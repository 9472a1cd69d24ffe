"""`python -m manual_vs_auto`: what there is to run, and what it would run on."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from manual_vs_auto import __version__, command

USES = {
    "Learn how a gradient is made by hand, from the notes": {
        "manual_vs_auto.notes.exercise": "ten exercises; your answer is judged, and a wrong one gets a hint",
        "manual_vs_auto.notes.program": "ten steps of training, as the notes print them",
    },
    "Judge a gradient that you wrote": {
        "manual_vs_auto.gradcheck FILE.py": "is it right? If not: what is wrong, and an input that shows it",
    },
    "Train": {
        "manual_vs_auto.train": "a classifier of images, MNIST or your own",
    },
    "In a clone, measure again what the README says": {
        "benchmarks.training": "the two gradients beside NumPy, PyTorch and scikit-learn",
        "benchmarks.fused": "the fused loss beside jax.grad, optax and PyTorch",
        "benchmarks.sharding": "the fused loss on eight virtual devices beside one",
        "benchmarks.gradcheck": "the checker beside check_grads, chex and PyTorch's gradcheck",
        "benchmarks.peers": "the checker on a thousand rules of HIPS/autograd, JAX, optax and PyTorch",
    },
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the commands and what they would run on."""
    parser = argparse.ArgumentParser(
        prog="python -m manual_vs_auto",
        description="List what there is to run, and the versions and devices that it would run on.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.parse_args(arguments)
    for use, commands in USES.items():
        print(use)
        for name, does in commands.items():
            print(f"  python -m {name:<34} {does}")
    print(flush=True)  # jax takes a second to start

    import jax

    from manual_vs_auto.train.facts import device_name, matmul_precision, versions

    print("the notes  ", Path(__file__).parent / "notes" / "README.md")
    print("versions   ", ", ".join(f"{name} {number}" for name, number in versions().items()))
    print("devices    ", "; ".join(device_name(device) for device in jax.devices()))
    print("precision  ", f"float32 matrix products at {matmul_precision()}; the training command sets highest")


if __name__ == "__main__":
    command.run(main)
