"""Commands: what there is to run, and how each ends where its reader goes away."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import manual_vs_auto
from manual_vs_auto.__main__ import USES, main

ROOT = Path(manual_vs_auto.__file__).parent
RUNNABLE = [path for path in sorted(ROOT.rglob("*.py")) if '__name__ == "__main__"' in path.read_text()]


def _end(code: str, out: int) -> tuple[int, str]:
    """The status of a command, `main` in this code, and what it says on standard error."""
    code = f"import sys\nfrom manual_vs_auto.command import run\n{code}\nrun(main)"
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
