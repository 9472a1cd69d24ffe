"""The flags: what is refused, in which words, and what is filled in."""

import subprocess
import sys

import pytest

from manual_vs_auto.train import Config, UsageError
from manual_vs_auto.train.config import LEARNING_RATES, parse


def test_defaults() -> None:
    config = parse([])
    assert config == Config()
    resolved = config.resolved(60_000)
    assert (resolved.epochs, resolved.batch_size, resolved.learning_rate, resolved.schedule) == (8, 64, 3e-3, "cosine")
    assert (resolved.gradient, resolved.loss, resolved.optimizer) == ("manual", "squared_distance", "adam")


def test_each_optimizer_has_its_rate() -> None:
    rates = {"sgd": 0.5, "momentum": 0.1, "adam": 3e-3, "adamw": 3e-3, "lion": 3e-4, "lbfgs": 0.0}
    assert rates == LEARNING_RATES
    for name, rate in rates.items():
        assert parse(["--optimizer", name]).resolved(100).learning_rate == rate


def test_what_is_asked_for_is_kept() -> None:
    flags = "--epochs 3 --batch-size 7 --learning-rate 0.25 --schedule constant --optimizer sgd --seed 5"
    resolved = parse(flags.split()).resolved(100)
    assert (resolved.epochs, resolved.batch_size, resolved.learning_rate, resolved.seed) == (3, 7, 0.25, 5)
    assert (resolved.schedule, resolved.optimizer) == ("constant", "sgd")


def test_lbfgs_takes_every_image() -> None:
    resolved = parse(["--optimizer", "lbfgs"]).resolved(500)
    assert (resolved.batch_size, resolved.schedule, resolved.epochs) == (500, "constant", 60)
    assert parse(["--optimizer", "lbfgs", "--batch-size", "500"]).resolved(500).batch_size == 500
    with pytest.raises(UsageError, match="needs the full batch: --batch-size 500, or none, not 64"):
        parse(["--optimizer", "lbfgs", "--batch-size", "64"]).resolved(500)


def test_a_small_data_set_has_a_small_batch() -> None:
    assert parse([]).resolved(10).batch_size == 10
    with pytest.raises(UsageError, match="--batch-size 64 is more than the 10 training images"):
        parse(["--batch-size", "64"]).resolved(10)


@pytest.mark.parametrize("rate", ["3.4028234e38", "1e-45"])
def test_any_number_of_float32_is_a_rate(rate: str) -> None:
    assert parse(["--learning-rate", rate]).learning_rate == float(rate)


WRONG = {
    "--epochs 0": "'0' is no whole number from 1",
    "--epochs 2.5": "'2.5' is no whole number from 1",
    "--batch-size -3": "--batch-size",
    "--batch-size many": "'many' is no whole number from 1",
    "--learning-rate 0": "'0' is no positive number of float32",
    "--learning-rate nan": "'nan' is no positive number of float32",
    "--learning-rate inf": "'inf' is no positive number of float32",
    "--learning-rate 3.4028236e38": "'3.4028236e38' is no positive number of float32",
    "--learning-rate 1e-46": "'1e-46' is no positive number of float32",
    "--learning-rate fast": "'fast' is no positive number of float32",
    "--learning-rate -1": "--learning-rate",
    "--seed -1": "--seed",
    "--seed x": "'x' is no whole number from 0",
    "--gradient magic": "invalid choice: 'magic'",
    "--loss hinge": "invalid choice: 'hinge'",
    "--optimizer adamax": "invalid choice: 'adamax'",
    "--schedule linear": "invalid choice: 'linear'",
    "--device tpu": "invalid choice: 'tpu'",
    "--dtype int8": "invalid choice: 'int8'",
    "--epoch 3": "unrecognized arguments: --epoch 3",
    "extra": "unrecognized arguments: extra",
    "--optimizer lbfgs --learning-rate 1": "leave --learning-rate out",
    "--optimizer lbfgs --schedule cosine": "leave --schedule cosine out",
}


@pytest.mark.parametrize("flags", WRONG)
def test_a_wrong_flag_is_one_line_and_exit_2(flags: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(flags.split())
    assert stopped.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert WRONG[flags] in printed.err
    assert printed.err.startswith("manual_vs_auto.train: error: ")


def test_help_imports_neither_jax_nor_numpy() -> None:
    code = (
        "import sys\nfrom manual_vs_auto.train.__main__ import main\n"
        "try: main(['--help'])\nexcept SystemExit as stopped: assert stopped.code == 0\n"
        "assert not {'jax', 'numpy', 'optax', 'rich'} & set(sys.modules), 'imported'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for name in LEARNING_RATES:
        assert name in done.stdout
    for flag in ("--gradient", "--loss", "--epochs", "--batch-size", "--optimizer", "--learning-rate", "--schedule",
                 "--seed", "--device", "--dtype", "--data", "--json", "--out", "--quiet"):  # fmt: skip
        assert f"{flag} " in done.stdout or f"{flag}\n" in done.stdout
