"""`python -m manual_vs_auto`: the commands, and what they would run on."""

COMMANDS = {
    "python -m manual_vs_auto.train": "train softmax(Wx) on MNIST or your own images; --help for its flags",
    "python -m manual_vs_auto.gradcheck": "judge your hand-written gradients, or every rule of the notes",
    "python -m manual_vs_auto.notes.program": "the ten steps that the notes print: losses of 0.16^k",
    "python -m benchmarks.training": "in a clone: manual beside auto, NumPy, PyTorch and scikit-learn",
    "python -m benchmarks.fused": "in a clone: the fused loss beside jax.grad, optax and PyTorch",
    "python -m benchmarks.gradcheck": "in a clone: this checker beside check_grads, chex and PyTorch's gradcheck",
}


def main() -> None:
    """Print the commands and the banner."""
    import jax

    from manual_vs_auto.train.facts import device_name, matmul_precision, versions

    for command, purpose in COMMANDS.items():
        print(f"{command:<40} {purpose}")
    print()
    print("versions   ", ", ".join(f"{name} {number}" for name, number in versions().items()))
    print("devices    ", "; ".join(device_name(device) for device in jax.devices()))
    print("precision  ", f"float32 matrix products at {matmul_precision()}; the training command sets highest")


if __name__ == "__main__":
    main()
