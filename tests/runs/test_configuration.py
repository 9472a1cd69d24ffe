"""Flags over a file over defaults; and every file that can't be followed is one line."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manual_vs_auto.runs import toml
from manual_vs_auto.runs.configuration import Parser
from manual_vs_auto.runs.values import duration, path, whole


def names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def loud(text: str) -> str:
    return text + "!"


def made() -> Parser:
    parser = Parser("shear", prog="python -m shear", description="", epilog="")
    parser.add_argument("features")
    parser.add_argument("--labels", required=True)
    parser.add_argument("--epochs", type=whole(1), default=0)
    parser.add_argument("--max-time", type=duration, default=0.0)
    parser.add_argument("--loss", choices=("hinge", "ramp"), default="hinge")
    parser.add_argument("--top", type=int, choices=(1, 5), default=1)
    parser.add_argument("--keys", type=names, default=())
    parser.add_argument("--seeds", type=whole(0), nargs="+", default=[0])
    parser.add_argument("--say", type=loud)
    parser.add_argument("--out", type=path)
    parser.add_argument("--quiet", action="store_true", help="say less")
    parser.add_argument("--no-bias", dest="bias", action="store_false")
    return parser


Parse = Callable[..., dict[str, Any]]


@pytest.fixture
def parse(tmp_path: Path) -> Parse:
    """A file's text and flags to what is asked for, without what is a default."""

    def parsed(text: str | bytes, *flags: str) -> dict[str, Any]:
        file = tmp_path / "run.toml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        nothing = vars(made().parse_args(["f.npy", "--labels", "l.npy"]))
        found = vars(made().parse_args(["--config", str(file), *flags]))
        assert list(found) == list(found | nothing)  # nothing but the flags' names, all of them
        return {name: value for name, value in found.items() if value != nothing[name]}

    return parsed


WHOLE = 'features = "f.npy"\nlabels = "l.npy"\n'


def test_flags_over_file_over_defaults(parse: Parse) -> None:
    assert parse("epochs = 3\nloss = 'ramp'", "f.npy", "--labels", "l.npy") == {"epochs": 3, "loss": "ramp"}
    assert parse(WHOLE + "epochs = 3\nloss = 'ramp'", "--epochs", "4") == {"epochs": 4, "loss": "ramp"}
    assert parse(WHOLE + "epochs = 3", "--epochs=4", "--loss", "ramp") == {"epochs": 4, "loss": "ramp"}
    assert parse(WHOLE + "quiet = true") == {"quiet": True}
    assert parse(WHOLE + "quiet = true", "--no-quiet") == parse(WHOLE + "quiet = false") == parse(WHOLE) == {}
    assert parse(WHOLE + "quiet = false", "--quiet") == {"quiet": True}
    assert parse(WHOLE, "--no-bias") == parse(WHOLE + "bias = false") == {"bias": False}
    assert parse(WHOLE + "bias = false", "--bias") == parse(WHOLE + "bias = true") == {}


def test_what_is_required_may_stand_in_the_file(parse: Parse, capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(WHOLE, "other.npy", "--labels", "more.npy") == {"features": "other.npy", "labels": "more.npy"}
    with pytest.raises(SystemExit):
        parse("features = 'f.npy'")
    assert "the following arguments are required: --labels" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse("labels = 'l.npy'")
    assert "the following arguments are required: features" in capsys.readouterr().err


def test_a_value_is_what_its_flag_makes_of_it(parse: Parse) -> None:
    text = "max-time = '5m'\nepochs = '3'\nkeys = ['a', 'b']\nseeds = [1, 2]\nout = 'a/b'\ntop = 5"
    kept = {"max_time": 300.0, "epochs": 3, "keys": ("a", "b"), "seeds": [1, 2], "out": Path("a/b"), "top": 5}
    assert parse(WHOLE + text) == kept
    assert parse(WHOLE + "say = 'so'") == parse(WHOLE, "--say", "so") == {"say": "so!"}  # made of it once
    assert parse(WHOLE + "max_time = 2\nkeys = 'a,b'\nseeds = 7") == {"max_time": 2.0, "keys": ("a", "b"), "seeds": [7]}
    assert parse("\N{BYTE ORDER MARK}" + WHOLE.replace("\n", "\r\n") + "# \N{SNOWMAN}\r\nepochs = 1_000") == {
        "epochs": 1000
    }


def test_a_run_s_own_file_is_the_run_again(parse: Parse) -> None:
    values = parse(WHOLE, "--keys", "a,b", "--max-time", "1h", "--seeds", "3", "4", "--out", "x", "--quiet")
    everything = vars(made().parse_args(["f.npy", "--labels", "l.npy"])) | values
    table = made().table(everything | {"other": 3})
    assert table == {
        "features": "f.npy", "labels": "l.npy", "max_time": 3600.0, "loss": "hinge", "top": 1, "keys": ["a", "b"],
        "seeds": [3, 4], "out": "x", "quiet": True, "bias": True,
    }  # fmt: skip
    assert list(table)[:2] == ["features", "labels"]  # in the order of the flags; 0 epochs is no number of epochs
    run = {"command": "shear", "versions": {"jax": "0.10.1"}, "epochs": 9}
    assert parse(toml.dumps(table | {"run": run})) == values
    with pytest.raises(argparse.ArgumentError, match="invalid choice: 'flat'"):
        made().table(everything | {"loss": "flat"})


WRONG = {
    "epoch = 3": "'epoch' is no flag's name: did you mean epochs?",
    "maxtime = 3": "'maxtime' is no flag's name: did you mean max_time?",
    '"max\\u0000time" = 3': "'max\\x00time' is no flag's name: did you mean max_time?",
    "zzz = 3": "'zzz' is no flag's name (see",
    "'' = 3": "'' is no flag's name (see",
    "config = 'b.toml'": "'config' is no flag's name (see",
    "help = true": "'help' is no flag's name (see",
    "run = 3": "'run' is no flag's name",
    "[other]": "'other' is no flag's name",
    "max_time = 3\nmax-time = 4": "max_time is there twice, with a hyphen and with an underscore",
    "epochs = 3\nepochs = 4": "it isn't TOML: Cannot overwrite a value (at line 4, its end)",
    "epochs = 0": "epochs: '0' is no whole number from 1",
    "epochs = 3.0": "epochs: '3.0' is no whole number from 1",
    "epochs = true": "epochs: 'true' is no whole number from 1",
    "epochs = 'many'": "epochs: 'many' is no whole number from 1",
    "epochs = [3]": "epochs: '3' is one value and no list",
    "epochs = []": "epochs: '' is no whole number from 1",
    "epochs = [[3]]": "epochs: a list is nothing that it takes",
    "epochs = {a = 3}": "epochs: a table is nothing that it takes",
    "epochs = 2020-01-01": "epochs: a date is nothing that it takes",
    "epochs = 10:00:00": "epochs: a time is nothing that it takes",
    "max-time = nan": "max_time: 'nan' is no time",
    "loss = 'flat'": "loss: invalid choice: 'flat' (choose from",
    "loss = 3": "loss: invalid choice: '3' (choose from",
    "top = 2": "top: invalid choice: 2 (choose from",
    "out = ''": "out: an empty path",
    "out = 3": "out: 3 is a text, so it stands in quotation marks",
    "out = true": "out: true is a text, so it stands in quotation marks",
    "seeds = [1, -1]": "seeds: '-1' is no whole number from 0",
    "quiet = 1": "quiet: 1 is neither true nor false",
    "quiet = 'true'": "quiet: 'true' is neither true nor false",
    "keys = ['a', ['b']]": "keys: a list is nothing that it takes",
    "epoch = 3\n[run]\ncommand = 'train'": "it is of a run of 'train', and this is shear",
    "[run]\ncommand = 3": "it is of a run of 3, and this is shear",
    "epochs": "it isn't TOML: Expected '=' after a key in a key/value pair (at line 3",
    "epochs = ": "it isn't TOML: Invalid value (at line 3",
    "epochs = [1,\n2": "it isn't TOML: Unclosed array (at line 4",
    "epochs = " + "1" * 5000: "it holds a number or a list that is too long or too deep",
    "epochs = " + "[" * 5000: "it holds a number or a list that is too long or too deep",
    "#" + "x" * (1 << 20): "it has more than a MiB, so it is no configuration",
    "x" * 5000 + " = 3": "xxx... is no flag's name",
    "loss = '" + "x" * 5000 + "'": "loss: invalid choice: 'xxx",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_a_file_that_is_wrong_is_one_line_and_exit_2(
    parse: Parse, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(WHOLE + text)
    out, err = capsys.readouterr()
    assert (stopped.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"shear: error: --config {tmp_path / 'run.toml'}: ")
    assert WRONG[text] in err
    assert err.endswith(" (see --help)\n")
    assert len(err) < 500


def test_what_is_not_utf_8_is_told_with_its_line(parse: Parse, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(b"epochs = 3\n# na\xefve\n")
    assert "it isn't UTF-8 (at line 2) (see --help)\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"),
    [("none.toml", "No such file"), (".", "Is a directory"), ("a" * 300, "name too long"), ("", "an empty path")],
)
def test_a_file_that_is_not_there(
    name: str, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        made().parse_args(["f.npy", "--labels", "l.npy", "--config", name])
    err = capsys.readouterr().err
    assert (stopped.value.code, err.count("\n")) == (2, 1)
    assert said.lower() in err.lower()
    with pytest.raises(SystemExit):
        made().parse_args(["--config"])
    assert "argument --config: expected one argument" in capsys.readouterr().err


def test_a_pipe_is_a_file(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, WHOLE.encode())
    os.close(theirs)
    try:
        assert made().parse_args(["--config", f"/dev/fd/{ours}"]).features == "f.npy"
    finally:
        os.close(ours)


def test_help_comes_before_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        made().parse_args(["--help", "--config", "none.toml"])
    assert stopped.value.code == 0
    assert "--quiet, --no-quiet" in capsys.readouterr().out


def test_a_wrong_flag_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        made().parse_args(["f", "--labels", "l", "--epochs", "0"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "shear: error: argument --epochs: '0' is no whole number from 1 (see --help)\n"
