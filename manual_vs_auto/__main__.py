"""`python -m manual_vs_auto`: what there is to run, and what it would run on."""

import argparse
import difflib
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

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
        "manual_vs_auto.fit FEATURES": "softmax(Wx + b) on features of your own, to the true optimum",
        "manual_vs_auto.launch -- COMMAND": "train or fit as several processes of this machine",
        "manual_vs_auto.predict RUN INPUT": "what a run that you kept says of new examples",
        "manual_vs_auto.report RUN": "runs that you kept, compared on one page",
    },
    "In a clone, measure again what the README says": {
        "benchmarks.training": "the two gradients beside NumPy, PyTorch and scikit-learn",
        "benchmarks.fused": "the fused loss beside jax.grad, optax and PyTorch",
        "benchmarks.fit": "the time to the optimum beside scikit-learn and PyTorch",
        "benchmarks.sharding": "the fused loss on eight virtual devices beside one",
        "benchmarks.streaming": "training on images that stay in their file beside the same in memory",
        "benchmarks.gradcheck": "the checker beside check_grads, chex and PyTorch's gradcheck",
        "benchmarks.peers": "the checker on a thousand rules of HIPS/autograd, JAX, optax and PyTorch",
    },
}


# `manual-vs-auto NAME` is `python -m MODULE`.
SUBCOMMANDS = {
    "train": "manual_vs_auto.train",
    "fit": "manual_vs_auto.fit",
    "launch": "manual_vs_auto.launch",
    "predict": "manual_vs_auto.predict",
    "report": "manual_vs_auto.report",
    "gradcheck": "manual_vs_auto.gradcheck",
    "notes": "manual_vs_auto.notes.exercise",
}
_FLAGS = ("-h", "--help", "--version")


def script(arguments: Sequence[str] | None = None) -> NoReturn:
    """The command that pip installs, `manual-vs-auto`: one of the others by its name, or the list of them.

    Nothing of a subcommand is imported before it is named.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    command.called("manual_vs_auto", "")
    if not given or given[0] in _FLAGS:
        command.run(lambda: main(given))
    name, *rest = given
    if name not in SUBCOMMANDS:
        near = difflib.get_close_matches(name.lower(), SUBCOMMANDS, 1)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(SUBCOMMANDS)}"
        print(f"{command.SCRIPT}: error: no command {name!r}: {hint} (see --help)", file=sys.stderr)
        sys.exit(2)
    module = SUBCOMMANDS[name]
    command.called(module, name)
    sys.argv[1:] = rest
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    raise AssertionError("a command ends the process")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the commands and what they would run on."""
    parser = argparse.ArgumentParser(
        prog=command.program("manual_vs_auto"),
        description="List what there is to run, and the versions and devices that it would run on.",
        epilog=f"As one command, with subcommands: {command.SCRIPT} {{{','.join(SUBCOMMANDS)}}}, each with --help.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.parse_args(arguments)
    for use, commands in USES.items():
        print(use)
        for name, does in commands.items():
            print(f"  python -m {name:<34} {does}")
    print(flush=True)  # jax takes a second to start

    import jax

    from manual_vs_auto.runs.machine import device_name, matmul_precision, versions

    print("the notes  ", Path(__file__).parent / "notes" / "README.md")
    print("versions   ", ", ".join(f"{name} {number}" for name, number in versions().items()))
    print("devices    ", "; ".join(device_name(device) for device in jax.devices()))
    print("precision  ", f"float32 matrix products at {matmul_precision()}; the training command sets highest")


if __name__ == "__main__":
    command.run(main)
