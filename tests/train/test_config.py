"""The flags: what is refused, in which words, and what is filled in."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from manual_vs_auto.runs import toml
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.train import Config
from manual_vs_auto.train.config import as_table, parse
from manual_vs_auto.train.flags import LEARNING_RATES


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
    "--optimizer lbfgs --find-learning-rate": "there is no --find-learning-rate for it",
    "--dry-run --find-learning-rate": "leave one out",
    "--target-accuracy 93": "'93' is no accuracy: a share, 0.93, or a percentage with its sign, 93%",
    "--max-time 5w": "'5w' is no time",
    "--val 0.6": "'0.6' is no share up to a half",
    "--patience 0": "'0' is no whole number from 1",
    "--config none.toml": "--config none.toml: it can't be read: No such file or directory",
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
                 "--seed", "--device", "--dtype", "--data", "--json", "--out", "--quiet", "--config", "--val",
                 "--patience", "--target-accuracy", "--max-time", "--dry-run", "--find-learning-rate"):  # fmt: skip
        assert re.search(rf"^  {flag}[, \n]", done.stdout, re.MULTILINE), flag


RUNS = [
    "", "--optimizer lbfgs", "--optimizer lion --schedule constant --dtype bfloat16", "--gradient both --seed 7",
    "--data a.npz --npz-keys a,b,c,d --loss cross_entropy --batch-size 7",
    "--val 0.25 --patience 3 --target-accuracy 100% --max-time 1.5h --device cpu",
]  # fmt: skip


@pytest.mark.parametrize("flags", RUNS)
def test_what_a_run_keeps_of_its_configuration_is_the_run_again(flags: str, tmp_path: Path) -> None:
    resolved = parse(flags.split()).resolved(500)
    file = tmp_path / "config.toml"
    run = {"command": "train", "versions": {"jax": "0.10.1"}, "device": "cpu"}
    file.write_text(toml.dumps(as_table(resolved) | {"run": run}))
    aside = ("--out", "other", "--json", "--quiet")
    assert parse(["--config", str(file)]) == resolved
    assert parse([*flags.split(), *aside]).resolved(500) == parse(["--config", str(file), *aside])


def test_a_flag_comes_before_the_file_and_is_held_against_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.toml"
    file.write_text("learning-rate = 0.5\noptimizer = 'sgd'\n")
    assert parse(["--config", str(file), "--optimizer", "adam"]) == Config(learning_rate=0.5)
    with pytest.raises(SystemExit):
        parse(["--config", str(file), "--optimizer", "lbfgs"])
    assert "--optimizer lbfgs searches along its step: leave --learning-rate out" in capsys.readouterr().err
