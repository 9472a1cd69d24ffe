"""The README: its examples run, its links lead somewhere, and its names exist."""

import doctest
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_examples() -> None:
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(examples) >= 2
    test = doctest.DocTestParser().get_doctest("\n".join(examples), {}, "README.md", None, None)
    assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test).failed == 0


def test_the_table_of_translations_runs() -> None:
    """Every line of ours, and JAX's; the others are only Python where they are not installed."""
    rows = re.findall(r"^\| `((?:jax|torch|chex)\..*)` \| `(.*)` \|$", README, re.MULTILINE)
    assert len(rows) == README.split("| there | here |")[1].split("\n\n")[0].count("\n|") - 1
    assert {there.split("(")[0].split(".")[0] for there, _ in rows} == {"jax", "torch", "chex"}
    section = README.split("## Judge your own gradient")[1].split("\n## ")[0]
    names: dict[str, Any] = {}
    for line in doctest.DocTestParser().get_examples("\n".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))):
        exec(line.source, names)
    importlib.import_module("jax.test_util")
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        for there, here in rows:
            assert str(eval(here, names)) in ("None", "AGREE"), here
            code = compile(there, "README.md", "eval")
            if there.startswith("jax."):
                assert eval(code, names) is None


def test_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if not link.startswith("http")]
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_first_screen_is_for_who_knows_nothing_of_it() -> None:
    """Four users with a command each, the picture, the two commands; what was measured comes later."""
    screen = README.splitlines()[:38]
    users = [line for line in screen if line.startswith("- **To ")]
    commands = [line.strip("` ") for line in screen if line.strip().startswith("`python -m ")]
    assert [command.split()[2].split(".")[1] for command in commands] == ["notes", "gradcheck", "train", "fit"]
    assert len(users) == 4
    order = [
        "- **To train**",
        "- **To fit**",
        "![",
        "manual_vs_auto.train\n```",
        "-m pytest\n```",
        "## Judge",
        "## What was measured",
    ]
    places = [README.index(part) for part in order]
    assert places == sorted(places)


def test_the_commands_exist() -> None:
    named = set(re.findall(r"python -m ((?:manual_vs_auto|benchmarks)(?:\.\w+)*)", README))
    assert len(named) > 6
    for name in named:
        at = ROOT / name.replace(".", "/")
        assert at.with_suffix(".py").exists() or (at / "__main__.py").exists(), name


def test_every_measured_table_says_what_it_means_and_where_it_was_measured() -> None:
    _, _, measured = README.partition("## What was measured")
    measured, _, _ = measured.partition("\n## ")
    parts = measured.split("\n### ")[1:]
    assert len(parts) == 7
    for whole in parts:
        part, _, beyond = whole.partition("\n#### ")
        assert beyond.startswith("Extrapolated") or not beyond
        title, _, said, *_ = part.splitlines()
        assert said.startswith("**It means:** "), title
        assert part.count("\n|---") == 1, title
        assert "Measured on\n2026" in part or "Measured on 2026" in part, title
        assert "](benchmarks/results/" in part, title
    assert README.count("ms |") + README.count("| seconds |") == measured.count("ms |") + measured.count("| seconds |")


def test_names_in_the_table_exist() -> None:
    """`name` linked to a file of the package is that file's or a name in it."""
    named = re.findall(r"\[`([\w.]+)`\]\((manual_vs_auto/[\w/]+)\.py\)", README)
    assert len(named) > 10
    for name, path in named:
        module = importlib.import_module(path.replace("/", "."))
        is_file = path.endswith((name.replace(".", "/"), name.removesuffix(".py")))
        assert is_file or hasattr(module, name.split(".")[-1]), name


def test_every_equation_has_code_and_a_test() -> None:
    rows = [row for row in README.splitlines() if row.startswith(("| (", "| |"))]
    numbers = {int(number) for row in rows for number in re.findall(r"\((\d+)\)", row.split("|")[1])}
    assert numbers == set(range(13))
    for row in rows:
        _, _, _, code, test, _ = row.split("|")
        assert "manual_vs_auto/" in code
        assert "tests/" in test


def test_the_number_of_mutants_is_the_one_told() -> None:
    from tests.rules.mutants import MUTANTS

    assert f"with {len(MUTANTS)}\nrules" in README


def test_ci_runs_the_line_of_the_readme() -> None:
    lines = [line for line in README.splitlines() if line.endswith("python -m pytest")]
    assert lines == ["python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/python -m pytest"]
    assert "grep -m1 'python -m pytest$' README.md" in (ROOT / ".ci" / "run").read_text()


def test_the_table_of_costs_is_the_benchmark_s_own() -> None:
    measured = json.loads((ROOT / "benchmarks" / "results" / "training.json").read_text())
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in README.splitlines() if "|" in row]
    table = {row[0]: row[1:] for row in rows if row[0].isdigit()}
    systems = ["manual", "auto", "numpy", "torch", "scikit-learn"]
    for batch, cells in table.items():
        found = {row["system"]: row for row in measured["epochs"] if row["batch"] == int(batch)}
        expected = [found[name]["median"] for name in systems] + [found["manual"]["limit"]]
        assert cells == [f"{1000 * seconds:.0f}" for seconds in expected]
    assert set(table) == {str(row["batch"]) for row in measured["epochs"]}
    to_92 = {row["system"]: row["median"] for row in measured["to_accuracy"] if row["target"] == 0.92}
    assert ", ".join(f"{name} {to_92[key]:.1f} s" for name, key in _SYSTEMS) in README
    for number in (measured["machine"]["date"], *measured["machine"]["versions"].values()):
        assert number.removesuffix("+cpu") in README or number == "0.1.0"


def test_the_report_is_what_the_command_prints(tmp_path: Path) -> None:
    example = re.search(r"```py\n# (\w+\.py)\n(.*?)```", README, re.DOTALL)
    shown = re.search(r"```text\n(DISAGREE.*?)```", README, re.DOTALL)
    assert example is not None
    assert shown is not None
    (tmp_path / example[1]).write_text(example[2])
    command = [sys.executable, "-m", "manual_vs_auto.gradcheck", example[1]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (1, "")
    assert _without_bounds(done.stdout) == _without_bounds(shown[1])


def _without_bounds(report: str) -> list[str]:
    """The lines of a report; a bound differs in its last digit."""
    lines = [line.rstrip() for line in report.strip().splitlines()]
    return [re.sub(r"\+- \S+", "+-", line) for line in lines]


def test_the_comparison_of_checkers_is_the_benchmark_s_own() -> None:
    from benchmarks.gradcheck import markdown

    measured = json.loads((ROOT / "benchmarks" / "results" / "gradcheck.json").read_text())
    assert markdown(measured["rows"]) in README
    assert measured["machine"]["date"] in README
    from tests.corpus.correct import CORRECT
    from tests.corpus.faults import FAULTS
    from tests.corpus.unknown import UNKNOWN

    assert f"{len(FAULTS)} wrong gradients" in README
    assert f"all refused, {len(FAULTS) - len(UNKNOWN)} with their cause\nand {len(UNKNOWN)} with none" in README
    assert f"[{len(CORRECT)} right ones]" in README
    assert f"chex {measured['machine']['versions']['chex']}" in README


def test_the_peers_are_the_benchmark_s_own() -> None:
    measured = json.loads((ROOT / "benchmarks" / "results" / "peers.json").read_text())
    (row,) = (row for row in measured["rows"] if row["source"] == "all")
    text = README[README.index("### The checker on others' rules") :]
    words = [
        f"{row['rules']:,} rules", f"| {row['AGREE']:,} |", f"at 0, ...) | {row['SPECIAL']} |",
        f"| {row['INCONCLUSIVE']} |", f"takes {row['median_s']:.1f} s, the longest {row['largest_s']:.1f} s",
        measured["machine"]["date"],
    ]  # fmt: skip
    assert [word for word in words if word not in text] == []
    assert row["DISAGREE"] == row["traceback"] == row["refused"] == 0


def test_the_times_to_the_optimum_are_the_benchmark_s_own() -> None:
    from benchmarks.fit import markdown

    measured = json.loads((ROOT / "benchmarks" / "results" / "fit.json").read_text())
    assert markdown(measured["rows"]) in README
    for row in measured["sweeps"]:
        assert f"{row['times_single']:.1f}" in README
        assert f"{row['passes_path']}" in README
    assert measured["machine"]["date"] in README


@pytest.mark.parametrize(
    ("device", "size", "dtype"), [("cpu", "4096x256x32768", "float32"), ("gpu", "4096x4096x128256", "bfloat16")]
)
def test_the_tables_of_the_fused_loss_are_the_benchmark_s_own(device: str, size: str, dtype: str) -> None:
    from benchmarks.fused import markdown

    measured = json.loads((ROOT / "benchmarks" / "results" / f"fused-{device}.json").read_text())
    assert markdown(measured["rows"], size, dtype) in README
    assert measured["machine"]["date"] in README
    if device == "cpu":
        for row in measured["findings"]:
            found = re.search(r"takes ([\d.]+) times that", row)
            assert found is not None
            assert found[1] in README, row
    assert f"jax {measured['machine']['versions']['jax']}" in README


def test_what_was_measured_of_scaling_and_what_was_not_are_the_benchmark_s_own() -> None:
    from benchmarks.scaling import markdown, markdown_extrapolated

    found = json.loads((ROOT / "benchmarks" / "results" / "scaling.json").read_text())
    section = README.split("### Scaling\n")[1].split("\n### ")[0].split("\n## ")[0]
    measured, extrapolated = section.split("\n#### Extrapolated")
    assert markdown(found["rows"]) in measured
    assert markdown_extrapolated(found["extrapolated"]) in extrapolated
    assert "ms |" in measured
    assert "| extrapolated | to | assumed FLOP/s |" in extrapolated
    assert found["finding"] in " ".join(measured.split())
    for word in (found["beside"], found["machine"]["date"], f"jax {found['machine']['versions']['jax']}"):
        assert word in " ".join(measured.split())


_SYSTEMS = (("manual", "manual"), ("again", "manual again"), ("auto", "auto"), ("NumPy", "numpy"))
