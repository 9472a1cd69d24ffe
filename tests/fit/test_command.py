"""The command: what it reads, says, leaves and refuses."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from manual_vs_auto.fit.classes import kept_back
from manual_vs_auto.fit.options import as_table, parse
from manual_vs_auto.runs import toml
from manual_vs_auto.runs.evaluation import read as read_evaluation
from manual_vs_auto.runs.model import read
from tests.fit.conftest import Command, drawn, ends


def test_a_run_is_told_and_kept(folder: Path, fitted: Command) -> None:
    done = fitted("x.npy", "--labels", "y.npy", "--val", 0.2, "--l2", 0.01, "--out", "run")
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("90 rows of 5 features, float32", "as they are, mapped from the file", "classes      3, 0 to 2",
                  "18 of the rows, kept back by seed 0", "converged", "kept in      run"):  # fmt: skip
        assert words in done.stdout
    model, evaluation = read(folder / "run"), read_evaluation(folder / "run" / "evaluation.json")
    x, y = drawn()
    assert (model.command, model.loss, model.inputs, model.class_names) == ("fit", "cross_entropy", "features", ())
    assert (evaluation.examples, evaluation.of) == (18, "validation examples")
    (line,) = ends(folder / "run")
    assert line["l2"] == 0.01
    assert line["converged"] is True
    assert line["gradient_norm"] <= 1e-4
    assert line["val_top1"] == evaluation.top1
    assert done.stdout.splitlines()[-1].startswith(f"validation top-1 {evaluation.top1:.2%}: ")
    held = kept_back(y, 0.2, 0)
    assert np.mean(model.probabilities(x[held]).argmax(1) == y[held]) == evaluation.top1
    assert np.mean(model.probabilities(x[~held]).argmax(1) == y[~held]) == pytest.approx(line["train_top1"])


def test_the_optimum_is_scikit_learn_s(folder: Path, fitted: Command) -> None:
    """On what is standardised, and on rows that are kept back; C is what it is there."""
    linear = pytest.importorskip("sklearn.linear_model")
    x, y = drawn()
    fitted("x.npy", "--labels", "y.npy", "--C", 0.5, "--standardize", "--tol", 1e-8, "--out", "run")
    z = (x.astype(np.float64) - x.mean(0, np.float64)) / x.std(0, dtype=np.float64)
    theirs = linear.LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(z, y)
    # Both within tol of where the gradient is 0, whose curvature is l2 = 1/45 at least.
    np.testing.assert_allclose(read(folder / "run").probabilities(x), theirs.predict_proba(z), atol=1e-5)


def test_c_of_two_classes_is_scikit_learn_s(folder: Path, fitted: Command) -> None:
    """There W is one row, whose square is twice that of two rows with the same difference."""
    linear = pytest.importorskip("sklearn.linear_model")
    x, y = drawn()
    np.savez("two.npz", x=x, y=y == 2)
    fitted("two.npz", "--labels", "y", "--C", 0.5, "--standardize", "--tol", 1e-9, "--out", "run")
    z = (x.astype(np.float64) - x.mean(0, np.float64)) / x.std(0, dtype=np.float64)
    theirs = linear.LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(z, y == 2)
    np.testing.assert_allclose(read(folder / "run").probabilities(x), theirs.predict_proba(z), atol=1e-6)


def test_a_run_may_be_called_like_the_labels(folder: Path, fitted: Command, predicted: Command) -> None:
    x, y = drawn()
    np.savez("d.npz", x=x, y=y)
    assert fitted("d.npz:x", "--labels", "y", "--out", "y").returncode == 0
    assert fitted("--resume", "y").returncode == 0
    assert "top-1" in predicted("y", "d.npz:x", "--labels", "y", "--score").stdout


def test_labels_of_the_features_own_file_are_no_features(folder: Path, fitted: Command, predicted: Command) -> None:
    """However they are named."""
    x, y = drawn()
    np.savez("d.npz", x=x, y=y)
    for number, labels in enumerate(("y", "d.npz:y")):
        assert fitted("d.npz", "--labels", labels, "--out", f"r{number}").returncode == 0
        assert "top-1" in predicted(f"r{number}", "d.npz", "--labels", labels, "--score").stdout


def test_rows_that_are_kept_back_teach_nothing(folder: Path, fitted: Command) -> None:
    x, y = drawn()
    held = kept_back(y, 0.3, 7)
    np.savez("rest.npz", x=x[~held], y=y[~held])
    for number, flags in enumerate([("--l2", 0.1), ("--l2", 0.1, "--standardize")]):
        fitted("x.npy", "--labels", "y.npy", "--val", 0.3, "--seed", 7, "--tol", 1e-7, *flags, "--out", f"a{number}")
        fitted("rest.npz", "--labels", "y", "--tol", 1e-7, *flags, "--out", f"b{number}")
        ours, rest = read(Path(f"a{number}")), read(Path(f"b{number}"))
        np.testing.assert_allclose(ours.probabilities(x), rest.probabilities(x), atol=1e-5)


def test_a_sweep_is_the_same_wherever_the_features_are_measured_from(folder: Path, fitted: Command) -> None:
    """Kelvin, years: what the intercept takes up is no reason for a penalty that leaves nothing to learn."""
    x, _ = drawn()
    np.save(folder / "far.npy", x + np.array([273.15, 0, 2000, 0, -1e4]))

    def swept(features: str, *flags: str) -> list[float]:
        fitted(features, "--labels", "y.npy", "--sweep", 4, "--out", f"of {features}{''.join(flags)}", *flags)
        return [line["l2"] for line in ends(folder / f"of {features}{''.join(flags)}")]

    near = swept("x.npy")
    assert near == pytest.approx(0.1 * np.mean(x.var(axis=0)) * np.array([1, 1e-2, 1e-4, 1e-6]), rel=0.05)
    assert swept("far.npy") == near
    # Without an intercept W has to make up for it.
    assert swept("x.npy", "--no-intercept")[0] == pytest.approx(0.1 * np.mean(x.astype(np.float64) ** 2), rel=0.05)


def test_a_sweep_keeps_the_best_by_validation(folder: Path, fitted: Command) -> None:
    done = fitted("x.npy", "--labels", "y.npy", "--sweep", "1e-3,10,0.1", "--out", "run")
    lines = ends(folder / "run")
    assert [line["l2"] for line in lines] == [10, 0.1, 1e-3]
    best = max(lines, key=lambda line: (line["val_top1"], -line["val_cross_entropy"]))
    assert read(folder / "run").about["l2"] == best["l2"]
    assert read_evaluation(folder / "run" / "evaluation.json").top1 == best["val_top1"]
    assert f"{best['l2']:.3g}*" in done.stdout
    assert "9 of the rows, kept back" in done.stdout
    norms = [line["objective"] for line in lines]
    assert norms == sorted(norms, reverse=True), "less penalty, a smaller objective"
    done = fitted("x.npy", "--labels", "y.npy", "--sweep", 3, "--json", "--standardize")
    swept = [json.loads(line)["l2"] for line in done.stdout.splitlines()]
    assert swept == [pytest.approx(power, rel=0.06) for power in (0.1, 1e-4, 1e-7)]


def test_texts_and_a_file_to_validate_with(folder: Path, fitted: Command) -> None:
    x, y = drawn(seed=3)
    names = np.array(["kat", "pes", "žába"])
    np.savez("data.npz", x=x, y=names[y])
    np.savez("new.npz", x=x[:30], y=names[y[:30]])
    for val in (("new.npz",), ("new.npz:x", "new.npz:y")):
        done = fitted("data.npz:x", "--labels", "data.npz:y", "--val", *val, "--l2", 0.1, "--out", f"run{len(val)}")
        assert (done.returncode, done.stderr) == (0, "")
        assert "classes      3: kat, pes, žába" in done.stdout
        assert "30 rows of new.npz[x]" in done.stdout
        assert read(folder / f"run{len(val)}").class_names == ("kat", "pes", "žába")
    np.savez("new.npz", x=x[:30], y=np.array(["vlk"] * 30))
    wrong = fitted("data.npz", "--labels", "y", "--val", "new.npz")
    assert "new.npz[y]: found label vlk in row 0; expected one of the model's 3: kat, pes, žába" in wrong.error
    np.savez("new.npz", x=x[:30, :3], y=names[y[:30]])
    assert "3 features; expected 5, as in data.npz[x]" in fitted("data.npz", "--labels", "y", "--val", "new.npz").error


def test_a_table_by_its_columns(folder: Path, fitted: Command, predicted: Command) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    x, y = drawn()
    columns = {name: x[:, at] for at, name in enumerate("abcde")}
    pq.write_table(pa.table({**columns, "kind": y}), "t.parquet")
    pq.write_table(pa.table(dict(reversed(columns.items()))), "new.parquet")
    assert fitted("t.parquet", "--labels", "kind", "--l2", 0.1, "--out", "run").returncode == 0
    assert read(folder / "run").feature_names == tuple("abcde")
    told = predicted("run", "t.parquet", "--labels", "kind", "--json")
    assert predicted("run", "new.parquet", "--json").stdout == told.stdout, "columns go by their names"
    assert predicted("run", "t.parquet", "--labels", "kind", "--score").stdout.startswith("top-1 ")
    pq.write_table(pa.table({**columns, "e": y}).drop_columns(["a"]), "less.parquet")
    assert "no column 'a'; expected one of b, c, d, e" in predicted("run", "less.parquet").error


def test_half_precision_and_no_intercept(folder: Path, fitted: Command) -> None:
    x, _ = drawn()
    np.save("h.npy", x.astype(np.float16))
    done = fitted("h.npy", "--labels", "y.npy", "--l2", 0.1, "--no-intercept", "--out", "run")
    assert "as they are, mapped from the file" in done.stdout
    assert "parameters   15\n" in done.stdout
    assert read(folder / "run").bias is None


def test_one_that_does_not_converge_says_so(folder: Path, fitted: Command) -> None:
    done = fitted("x.npy", "--labels", "y.npy", "--l2", 0, "--max-iter", 2, "--quiet")
    assert done.returncode == 1
    assert done.stderr.startswith("warning: the fit with l2 0 did not converge: its gradient is ")
    assert len(done.stdout.splitlines()) == 1


def test_squared_distance(folder: Path, fitted: Command) -> None:
    assert fitted("x.npy", "--labels", "y.npy", "--loss", "squared_distance", "--standardize", "--out", "run").stdout
    assert read(folder / "run").loss == "squared_distance"


WRONG = {
    "x.npy": "the following arguments are required: --labels",
    "x.npy --lables y.npy": "required: --labels; did you mean --labels for --lables?",
    "x.npy --labels y.npy --standardise": "unrecognized arguments: --standardise; did you mean --standardize for",
    "x.npy --labels z.npy": "z.npy: found no such file; expected a file of labels",
    "z.npy --labels y.npy": "z.npy: found no such file; expected a .npy file",
    "x.npy --labels x.npy": r"x.npy: found labels of shape (90, 5); expected [N]",
    "y.npy --labels y.npy": "y.npy: found features of shape (90,); expected [N, D]",
    "x.npy --labels few.npy": "few.npy: found 3 labels; expected 90, one a row of x.npy",
    "x.npy --labels one.npy": "one.npy: found label 1 in every row; expected 2 classes or more",
    "nan.npy --labels y.npy": "nan.npy: found nan in row 7, column 2; expected finite numbers",
    "x.csv --labels y.npy": "x.csv: found the ending '.csv'; expected one of .npy, .npz",
    "x.npy --labels y.npy --val 1.5": "argument --val: '1.5': a share of the rows is between 0 and 1",
    "x.npy --labels y.npy --val 0.001": "--val 0.001 of 90 rows keeps none back",
    "x.npy --labels y.npy --val 0.1 y.npy": "--val 0.1 keeps rows back: what is y.npy?",
    "x.npy --labels y.npy --val a b c": "--val takes a share, a file, or a file and its labels, not 3 things",
    "x.npy --labels y.npy --val x.npy": "--val x.npy: say where its labels are, --val x.npy LABELS",
    "x.npy --labels y.npy --l2 -1": "argument --l2: '-1' is no number from 0",
    "x.npy --labels y.npy --l2 1 --C 1": "--l2, --C and --sweep say the same in three ways",
    "x.npy --labels y.npy --sweep 1": "argument --sweep: '1' is no whole number from 2",
    "x.npy --labels y.npy --sweep 1,a": "argument --sweep: 'a' is no number from 0",
    "x.npy --labels y.npy --tol 0": "argument --tol: '0' is no positive number",
    "x.npy --labels y.npy --loss hinge": "invalid choice: 'hinge'",
    "x.npy --labels y.npy --device gpu": "--device gpu: JAX sees none here, only cpu",
    "x.npy --labels y.npy --plot": "say which with --out",
    "x.npy --labels y.npy --tensorboard": "--tensorboard leaves its event files in the run's directory: say "
    "which with --out",
    "x.npy --labels y.npy --out old": "--out old holds a run already",
}  # fmt: skip


@pytest.mark.parametrize("flags", WRONG)
def test_what_is_typed_wrong_is_one_line(folder: Path, fitted: Command, flags: str) -> None:
    x, _ = drawn()
    np.save("few.npy", np.arange(3))
    np.save("one.npy", np.ones(90, int))
    x[7, 2] = np.nan
    np.save("nan.npy", x)
    (folder / "x.csv").write_text("1,2")
    (folder / "old").mkdir()
    (folder / "old" / "model.safetensors").write_text("")
    held = sorted(folder.rglob("*"))
    error = fitted(
        *flags.split(), *(() if "with --out" in WRONG[flags] or "--out" in flags else ("--out", "new"))
    ).error
    assert error.startswith("manual_vs_auto.fit: error: ")
    assert WRONG[flags] in error
    assert sorted(folder.rglob("*")) == held, "it leaves nothing"


def test_help_answers_without_jax_and_without_safetensors() -> None:
    code = (
        "import sys\nfrom manual_vs_auto.fit.__main__ import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit(bool({'jax', 'safetensors', 'pyarrow', 'PIL', 'matplotlib', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("--sweep", "--standardize", "FEATURES", "Exit status"):
        assert words in done.stdout


def test_a_file_of_flags(folder: Path, fitted: Command) -> None:
    (folder / "a.toml").write_text('features = "x.npy"\nlabels = "y.npy"\nsweep = [0.1, 1e-3]\nval = 0.25\nseed = 3\n')
    told = fitted("--config", "a.toml", "--json")
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert [line["l2"] for line in lines] == [0.1, 1e-3]
    given = fitted("x.npy", "--labels", "y.npy", "--sweep", "0.1,1e-3", "--val", 0.25, "--seed", 3, "--json")
    assert [line["val_top1"] for line in lines] == [json.loads(line)["val_top1"] for line in given.stdout.splitlines()]
    assert json.loads(fitted("--config", "a.toml", "--sweep", "2.0", "--json").stdout)["l2"] == 2
    (folder / "b.toml").write_text("standardise = true\n")
    assert "'standardise' is no flag's name: did you mean standardize?" in fitted("--config", "b.toml").error


@pytest.mark.parametrize("flags", [(), ("--sweep", 2), ("--sweep", "0.1,0.2", "--val", "x.npy", "y.npy"), ("--C", 0.5)])
def test_the_table_of_a_run_makes_it_again(flags: tuple[object, ...], tmp_path: Path) -> None:
    options = parse(["x.npy", "--labels", "y.npy", *map(str, flags)])
    (tmp_path / "config.toml").write_text(toml.dumps(as_table(options)))
    assert parse(["--config", str(tmp_path / "config.toml")]) == options
