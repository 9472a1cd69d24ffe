"""What a user writes and installs: the public names work, and what the wheel holds is told."""

import ast
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import jax
import pytest

import manual_vs_auto
from tests import user

ROOT = Path(__file__).parent.parent


def test_a_user_s_file(capsys: pytest.CaptureFixture[str]) -> None:
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        user.main()
    assert capsys.readouterr().out == f"{manual_vs_auto.__version__} 1\n"


def test_the_user_s_file_imports_every_public_name() -> None:
    tree = ast.parse(Path(user.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "manual_vs_auto"]
    assert [alias.name for node in imports for alias in node.names] == manual_vs_auto.__all__


def test_the_metadata_is_whole() -> None:
    told = metadata("manual_vs_auto")
    assert told["Version"] == manual_vs_auto.__version__
    assert told["License-Expression"] == "MIT AND CC-BY-SA-3.0"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"Typing :: Typed", "Programming Language :: Python :: 3.11"} <= set(project["classifiers"])
    assert project["keywords"] == sorted(project["keywords"], key=str.lower)
    assert all((ROOT / name).is_file() for name in project["license-files"])


def test_what_is_no_code_is_in_the_wheel_too() -> None:
    """Every file that git keeps beside the code is package data; the type checker's mark is one."""
    given = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    package = ROOT / "manual_vs_auto"
    told = {
        path
        for name, patterns in given.items()
        for pattern in patterns
        for path in (ROOT / name.replace(".", "/")).glob(pattern)
    }
    assert package / "py.typed" in told
    others = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert told == {path for path in others if path.suffix != ".py"}
