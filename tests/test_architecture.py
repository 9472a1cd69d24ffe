"""The house: which way imports point, what must not differentiate, and which names are public."""

import ast
from importlib.metadata import version
from pathlib import Path

import pytest

import manual_vs_auto

ROOT = Path(manual_vs_auto.__file__).parent
PACKAGE = "manual_vs_auto"

# What each part may import of ours, beside itself. Anything else is an arrow that the house does not have.
MAY_IMPORT = {
    "command": set(),
    "rules": set(),
    "data": set(),
    "data/deform": {"command", "runs"},
    "gradcheck": set(),
    "gradcheck/__main__": {"command", "prove"},
    "model": {"rules"},
    "manual": {"model", "rules"},
    "auto": {"model"},
    "fused": {"rules", "model"},
    "solve": {"rules", "model"},
    "runs": {"__version__", "command", "data", "model", "rules"},
    "launch": {"command", "runs"},
    "train": {"command", "runs", "rules", "data", "model", "manual", "auto", "fused"},
    "predict": {"command", "runs"},
    "fit": {"command", "runs", "data", "rules", "model", "manual", "solve"},
    "report": {"command", "runs"},
    "prove": {"gradcheck", "rules", "fused"},
    "notes": {"command", "rules", "data", "gradcheck", "model", "manual", "auto", "fused", "runs", "train"},
    "__init__": {"rules", "data", "gradcheck", "model", "manual", "auto", "fused", "fit", "train"},
    "__main__": {"__version__", "command", "runs"},
}
DIFFERENTIATES = {
    "grad", "value_and_grad", "vjp", "jvp", "linearize", "linear_transpose", "vjp3", "jacfwd", "jacrev", "jacobian",
    "hessian", "custom_vjp", "custom_jvp", "custom_gradient", "checkpoint", "remat",
}  # fmt: skip
BY_HAND = [*sorted((ROOT / "rules").glob("*.py")), ROOT / "manual.py"]


def _part(path: Path) -> str:
    """The part that a file belongs to; a command may have arrows of its own."""
    whole = str(path.relative_to(ROOT)).removesuffix(".py")
    return whole if whole in MAY_IMPORT else path.relative_to(ROOT).parts[0].removesuffix(".py")


def _imports(tree: ast.AST) -> set[str]:
    """The modules that a syntax tree imports, in full."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def _arrows(source: str) -> set[str]:
    """The parts of ours that a file imports."""
    ours = [name.split(".") for name in _imports(ast.parse(source)) if name.startswith(f"{PACKAGE}.")]
    return {parts[1] for parts in ours}


def _differentiating(source: str) -> set[str]:
    """What a file names that differentiates, and whether it names jax at all."""
    tree = ast.parse(source)
    named = {name for name in _imports(tree) if name.split(".")[0] in ("jax", "optax", "autograd", "torch")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("jax", "api"):
            named.add(f"{node.value.id}.{node.attr}")
        if isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            if name in DIFFERENTIATES - {"jvp", "jacobian", "value_and_grad"}:
                named.add(name)
    return named


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    part = _part(path)
    assert part in MAY_IMPORT, f"{path} is in no part of the house"
    assert _arrows(path.read_text()) <= MAY_IMPORT[part] | {part.split("/")[0]}


# The checker's own floors, the lowest first: what is on one imports from it and from below.
FLOORS = [
    {"numerics"}, {"claims"}, {"engines"}, {"witnesses"}, {"search"}, {"explain"}, {"report"}, {"options"}, {"session"},
    {"precisions"}, {"api"}, {"pairs"}, {"__init__", "__main__"},
]  # fmt: skip


def _floor(module: str) -> int:
    """The floor of a module or a file of the checker, named below the checker."""
    return next(at for at, rooms in enumerate(FLOORS) if (module.split(".")[0] or "__init__") in rooms)


def _upward(source: str, own: int) -> set[str]:
    """What a file of the checker imports from a floor above its own."""
    inner = {n.removeprefix(f"{PACKAGE}.gradcheck.") for n in _imports(ast.parse(source)) if ".gradcheck." in n}
    known = {name for rooms in FLOORS for name in rooms}
    return {name for name in inner if name.split(".")[0] in known and _floor(name) > own}


@pytest.mark.parametrize("path", sorted((ROOT / "gradcheck").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_checker_imports_downwards(path: Path) -> None:
    own = ".".join(path.relative_to(ROOT / "gradcheck").with_suffix("").parts)
    assert _upward(path.read_text(), _floor(own)) == set()


@pytest.mark.parametrize("path", BY_HAND, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_by_hand_names_what_differentiates(path: Path) -> None:
    assert _differentiating(path.read_text()) == set()


def test_the_checks_see_what_they_are_for() -> None:
    source = (ROOT / "rules" / "softmax.py").read_text()
    assert "model" in _arrows(source + "\nfrom manual_vs_auto import model\n")
    assert "model" in _arrows(source + "\nimport manual_vs_auto.model\n")
    assert "model" in _arrows(source + "\ndef late():\n    from manual_vs_auto.model import Params\n")
    assert _upward(f"from {PACKAGE}.gradcheck.session import Session", _floor("witnesses.vote")) != set()
    assert _upward(f"import {PACKAGE}.gradcheck.claims.claim", _floor("witnesses.vote")) == set()
    for line in ("import jax", "from jax import grad", "from jax import numpy", "import jax.numpy as jnp",
                 "x = api.vjp", "g = xp.grad(f)", "f = custom_vjp(f)", "y = thing.linearize(f)"):  # fmt: skip
        assert _differentiating(f"{source}\n{line}\n"), line


def test_the_public_names() -> None:
    assert manual_vs_auto.__all__ == sorted(manual_vs_auto.__all__)
    modules = ["auto", "data", "fused", "gradcheck", "manual", "model", "rules", "train"]
    classes = ["SoftmaxRegression", "SoftmaxRegressionCV"]
    assert manual_vs_auto.__all__ == [*classes, *modules]
    for name in modules:
        assert getattr(manual_vs_auto, name).__name__ == f"{PACKAGE}.{name}"
    for name in classes:
        assert getattr(manual_vs_auto, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = manual_vs_auto.nothing  # type: ignore[attr-defined]  # a type checker refuses it, too
    assert set(manual_vs_auto.__all__) < set(dir(manual_vs_auto))
    assert manual_vs_auto.__version__ == version(PACKAGE)


def test_files_are_one_idea() -> None:
    long = {str(p): n for p in ROOT.rglob("*.py") if (n := len(p.read_text().splitlines())) > 250}
    assert long == {}


def test_the_top_level_is_what_the_design_says() -> None:
    held = {p.name for p in ROOT.parent.iterdir() if not p.name.startswith(".") and p.suffix != ".egg-info"}
    assert held <= {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", PACKAGE, "tests", "benchmarks", "build",
                    "__pycache__"}  # fmt: skip
