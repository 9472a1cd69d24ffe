"""The notes' document: its code runs, its numbers and reports are what the code prints, its links lead somewhere."""

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import manual_vs_auto.notes
from manual_vs_auto.notes import program
from manual_vs_auto.notes.exercises import EXERCISES
from manual_vs_auto.notes.figures import FIGURES
from tests.gradcheck.commands import called, forgotten

HERE = Path(manual_vs_auto.notes.__file__).parent
TEXT = (HERE / "README.md").read_text()


def sections() -> dict[str, str]:
    """The text below each heading; a line of code that begins with # is none."""
    found: dict[str, str] = {}
    title, inside = "", False
    for line in TEXT.splitlines(keepends=True):
        inside ^= line.startswith("```")
        if line.startswith("#") and not inside:
            title = line.strip("# \n")
        else:
            found[title] = found.get(title, "") + line
    return found


SECTIONS = sections()


def blocks(kind: str, text: str = TEXT) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_every_python_block_prints_what_it_says() -> None:
    examples = blocks("python")
    assert len(examples) > 12
    assert all(">>>" in example for example in examples)
    test = doctest.DocTestParser().get_doctest("\n".join(examples), {}, "notes", None, None)
    assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test).failed == 0


def test_there_is_no_block_that_nothing_reads() -> None:
    kinds = set(re.findall(r"^```(\w+)$", TEXT, re.MULTILINE))
    assert kinds == {"python", "py", "sh", "text", "math", "diff"}
    gallery = len(blocks("diff"))
    assert len(blocks("text")) == gallery + 2  # the report on the notes' error, the program's losses
    assert len(blocks("py")) == 1


def test_the_error_in_the_notes_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (example,) = blocks("py")
    Path("square.py").write_text(example)
    Path("turned.py").write_text(example.replace("A @ ct", "A.T @ ct"))
    # As JAX is where nobody has set anything.
    standard = jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"), jax.enable_x64(False)
    with forgotten(tmp_path), standard[0], standard[1], standard[2]:
        done = called(("square.py",), capsys.readouterr)
        shown = blocks("text", SECTIONS["The error in the notes"])[0]
        assert (done.status, done.err) == (1, "")
        assert comparable(done.out) == comparable(shown)
        assert called(("turned.py",), capsys.readouterr).status == 0


def comparable(report: str) -> list[str]:
    """The lines of a report, without times, and without bounds that another processor rounds otherwise."""
    lines = [line.rstrip() for line in report.strip().splitlines()]
    return [re.sub(r"\+- \S+", "+-", line) for line in lines]


def test_the_program_prints_its_losses(capsys: pytest.CaptureFixture[str]) -> None:
    program.main()
    printed, shown = (
        list(map(float, text.split())) for text in (capsys.readouterr().out, blocks("text", SECTIONS["The program"])[0])
    )
    assert printed == pytest.approx(shown, rel=1e-12, abs=0)  # another processor may round the last digits otherwise


def test_the_commands_run(tmp_path: Path) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert lines[0].endswith("&& python")  # how one begins: what CI does too
    assert len(lines) == 4
    for line in lines[1:]:
        command, _, target = line.partition(" >> ")
        words = shlex.split(command)
        assert words[0] == "python"
        done = subprocess.run(
            [sys.executable, *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
        )
        if target:
            (tmp_path / target).write_text(done.stdout)
        # The answer that nobody has filled in is refused as such.
        expected = 3 if words[-1] == "my.py" else 0
        assert done.returncode == expected, done.stderr
        if "train" in line:
            (said,) = re.findall(r'says of them "([^"]+)"', TEXT)
            assert " ".join(said.split()) in " ".join((done.stdout + done.stderr).split())
            assert " 0.0%" in done.stdout
        if expected:
            assert "not filled in yet" in done.stderr


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in SECTIONS}
    assert len(links) > 60
    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors, link
        else:
            assert (HERE / link).exists(), link


def test_every_figure_is_shown() -> None:
    assert set(re.findall(r"\]\(figures/([\w-]+)\.svg\)", TEXT)) == set(FIGURES)


def test_every_equation_has_its_code_and_its_test() -> None:
    numbered = {
        int(number): title
        for title, part in SECTIONS.items()
        for number in re.findall(r"\\qquad \((\d+)\)$", part, re.MULTILINE)
    }
    assert set(numbered) == set(range(13))
    for title in set(numbered.values()):
        part = SECTIONS[title]
        if title == "The chain rule":
            assert "[`compose`](../rules/chain.py)" in part
        assert "Code: [" in part, title
        assert re.search(r"Test:\s+\[", part), title


def test_functions_named_in_links_are_there() -> None:
    import importlib

    named = re.findall(r"\[`([\w.]+)`\]\(((?:\.\./)*[\w/]+)\.py\)", TEXT)
    assert len(named) > 15
    for name, path in named:
        file = (HERE / f"{path}.py").resolve()
        module = importlib.import_module(".".join(file.relative_to(HERE.parent.parent).with_suffix("").parts))
        is_file = str(file).endswith((name.replace(".", "/") + ".py", name))
        assert is_file or hasattr(module, name.split(".")[-1]), name


def test_the_exercises_are_the_command_s() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.*?) \| (.*?) \|$", SECTIONS["Exercises"], re.MULTILINE)
    assert rows == [(str(at), e.answer, e.said.replace("|", r"\|"), e.equation) for at, e in enumerate(EXERCISES, 1)]


@pytest.mark.parametrize("word", ["TODO", "FIXME", "@"])
def test_nothing_is_left_to_do(word: str) -> None:
    prose = re.sub(r"^```.*?^```", "", TEXT, flags=re.DOTALL | re.MULTILINE)
    assert word not in re.sub(r"`[^`]*`", "", prose)
