"""Commands: what there is to run, and how each ends where its reader goes away."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import manual_vs_auto
from manual_vs_auto.__main__ import SUBCOMMANDS, USES, main, script

ROOT = Path(manual_vs_auto.__file__).parent
RUNNABLE = [path for path in sorted(ROOT.rglob("*.py")) if '__name__ == "__main__"' in path.read_text()]


def _command(code: str) -> str:
    return f"import sys\nfrom manual_vs_auto.command import run\n{code}\nrun(main)"


def _end(code: str, out: int) -> tuple[int, str]:
    """The status of a command, `main` in this code, and what it says on standard error."""
    code = _command(code)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=out, stderr=subprocess.PIPE, text=True, check=False, env=buffered
    )
    return done.returncode, done.stderr


def _closed() -> int:
    """A pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


ENDS = {
    "def main(): return 3": (3, ""),
    "def main(): print('said')": (141, ""),
    "def main(): print('x' * 100_000)": (141, ""),
    "def main(): print('said', flush=True)": (141, ""),
    "def main(): print('said'); sys.exit(0)": (141, ""),
    "def main(): sys.exit(2)": (2, ""),
    "def main(): print('said'); return 3": (3, ""),
    "def main(): sys.exit()": (0, ""),
    "def main(): sys.exit('why')": (1, "why\n"),
    "def main(): raise KeyboardInterrupt": (130, ""),
}


@pytest.mark.parametrize("code", ENDS)
def test_a_reader_that_has_gone_is_no_error(code: str) -> None:
    writing = _closed()
    try:
        assert _end(code, writing) == ENDS[code]
    finally:
        os.close(writing)


@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2)])
def test_a_closed_stream_is_none_that_failed(closed: tuple[int, ...]) -> None:
    """As a daemon starts commands. What would be said there is said nowhere, and not on the other one."""
    code = _command("def main(): print('x' * 100_000); print('y', file=sys.stderr); return 3")
    line = (
        f"import os, sys; [os.close(at) for at in {closed}]; os.execv(sys.executable, [sys.executable, '-c', {code!r}])"
    )
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=False)
    said = "" if 1 in closed else "x" * 100_000 + "\n", "" if 2 in closed else "y\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, *said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("size", [1, 100_000])
def test_a_full_disk_is_said_in_one_line(size: int) -> None:
    with Path("/dev/full").open("w") as full:
        status, said = _end(f"def main(): print('x' * {size})", full.fileno())
    assert (status, said.count("\n")) == (120, 1)
    assert "No space left" in said
    with Path("/dev/full").open("w") as full:
        assert _end("def main(): print('x'); return 2", full.fileno()) == (2, ""), "main has said why"


@pytest.mark.parametrize("path", RUNNABLE, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_ends_so(path: Path) -> None:
    last = ast.parse(path.read_text()).body[-1]
    assert isinstance(last, ast.If)
    assert ast.unparse(last.body[-1]).startswith("command.run(main")


def test_the_list_of_commands(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    shown = capsys.readouterr().out
    for use, commands in USES.items():
        assert use in shown
        for name in commands:
            module = name.split()[0]
            assert f"python -m {name} " in shown
            at = ROOT.parent / module.replace(".", "/")
            assert at.with_suffix(".py").exists() or (at / "__main__.py").exists(), module
    assert re.search(r"^versions .*manual_vs_auto " + re.escape(manual_vs_auto.__version__), shown, re.MULTILINE)


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for flag, start in (("--version", manual_vs_auto.__version__), ("--help", "usage: python -m manual_vs_auto")):
        with pytest.raises(SystemExit) as left:
            main([flag])
        assert left.value.code == 0
        assert capsys.readouterr().out.startswith(start)
    with pytest.raises(SystemExit) as left:
        main(["trian"])
    assert left.value.code == 2


def _script(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command that pip installs, with what it imported by its end on the last line of standard error."""
    code = (
        "import atexit, sys\n"
        "late = {'jax', 'matplotlib', 'safetensors'}\n"
        "atexit.register(lambda: print(*sorted(late & set(sys.modules)), file=sys.stderr))\n"
        "from manual_vs_auto.__main__ import script\nscript()"
    )
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_a_subcommand_answers_by_its_name_and_without_jax(name: str) -> None:
    done = _script(name, "--help")
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert done.stdout.startswith(f"usage: manual-vs-auto {name} ")
    assert "python -m" not in done.stdout


def test_what_is_wrong_in_a_subcommand_is_said_under_its_name() -> None:
    done = _script("train", "--epochs", "none")
    assert done.returncode == 2
    assert done.stderr.startswith("manual-vs-auto train: error: argument --epochs: 'none' is no whole number from 1")


@pytest.mark.parametrize(
    ("typed", "said"),
    [("trian", "no command 'trian': did you mean train?"), ("Fit", "did you mean fit?"), ("", "one of train, fit"),
     ("--train", "did you mean train?")],
)  # fmt: skip
def test_a_subcommand_that_is_none_gets_the_nearest(typed: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        script([typed])
    assert left.value.code == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert said in shown.err


def test_the_script_is_installed_and_lists_its_subcommands() -> None:
    scripts = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"manual-vs-auto": "manual_vs_auto.__main__:script"}
    done = _script("--help")
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert done.stdout.startswith("usage: manual-vs-auto [-h]")
    assert f"{{{','.join(SUBCOMMANDS)}}}" in done.stdout
    assert _script("--version").stdout == f"{manual_vs_auto.__version__}\n"
