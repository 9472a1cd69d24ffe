"""A check leaves everything as it was: inputs, random states, floating point settings, JAX's configuration."""

import importlib.metadata
import random
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import Verdict, check_custom_rule, check_gradient, check_jvp, check_vjp

Check = Callable[[], object]
X = np.array([0.3, -0.7, 1.1])


def python(code: str, *arguments: str, cwd: Path | None = None) -> str:
    """What a fresh process prints that runs the code."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True, text=True, timeout=120, check=False, cwd=cwd,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout.strip()


def same(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name in before if repr(before[name]) != repr(after[name])]


def state() -> dict[str, Any]:
    """What is global."""
    return {
        "random": random.getstate(),
        "numpy": np.random.get_state(legacy=False),  # noqa: NPY002
        "errors": np.geterr(),
        "print": np.get_printoptions(),
        "filters": list(warnings.filters),
        "show": warnings.showwarning,
        "x64": (jax.config.read("jax_enable_x64"), jnp.asarray(0.5).dtype, jax.dtypes.canonicalize_dtype(np.float64)),
        **{f"jax {name}": value for name, value in jax.config.values.items()},
        "path": list(sys.path),
        "recursion": sys.getrecursionlimit(),
    }


@jax.custom_vjp
def halved(x: Any) -> Any:
    return x**2


halved.defvjp(lambda x: (x**2, x), lambda x, ct: (ct * x,))


def careless(x: Any) -> Any:
    """Seeds and draws, and changes how errors and warnings are treated."""
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    np.seterr(all="raise")
    warnings.filterwarnings("ignore", message="careless")
    return float(np.sum(np.array(x, np.float64) ** 2)) + 0 * np.random.rand() * random.random()  # noqa: NPY002


def raising(x: Any) -> Any:
    careless(x)
    raise KeyError("raised")


CHECKS: dict[str, Check] = {
    "gradient": lambda: check_gradient(lambda x: jnp.sum(x**2), lambda x: 2 * x, X),
    "wrong gradient": lambda: check_gradient(lambda x: jnp.sum(x**2), lambda x: x, X),
    "float32": lambda: check_gradient(lambda x: jnp.sum(x**2), lambda x: 2 * x, X.astype(np.float32)),
    "pullback": lambda: check_vjp(jnp.sin, lambda ct, x: (jnp.cos(x) * ct,), X),
    "pushforward": lambda: check_jvp(jnp.sin, lambda p, t: jnp.sin(p[0]) * t[0], X),
    "rule of its own": lambda: check_custom_rule(halved, X),
    "NumPy": lambda: check_gradient(lambda x: float(np.sum(x**2)), lambda x: x, X),
    "careless": lambda: check_gradient(careless, lambda x: 2 * np.asarray(x) + 0 * careless(x), X),
    "raising": lambda: check_gradient(raising, lambda x: 2 * x, X),
    "raising rule": lambda: check_gradient(careless, raising, X),
    "refused": lambda: check_gradient(lambda x: x, lambda x: 2 * x, X),
    "as text": lambda: str(check_gradient(lambda x: jnp.sum(x**2), lambda x: x, X, order=2)),
    "as JSON": lambda: check_gradient(lambda x: jnp.sum(x**2), lambda x: 2 * x, X).to_json(),
}


@pytest.mark.parametrize("x64", [True, False], ids=["float64", "float32"])
@pytest.mark.parametrize("name", CHECKS)
def test_what_is_global_stays(name: str, x64: bool) -> None:
    with jax.enable_x64(x64), np.errstate(under="warn", over="ignore"), warnings.catch_warnings():
        random.seed(7)
        np.random.seed(7)  # noqa: NPY002
        before = state()
        if name.startswith(("raising", "refused")):
            with pytest.raises((KeyError, ValueError)):
                CHECKS[name]()
        else:
            CHECKS[name]()
        assert same(before, state()) == []


def in_place(x: Any) -> Any:
    """Numerically an exact sum of exponentials; its argument is used up."""
    x -= 1
    np.exp(x, out=x)
    return float(np.sum(x)) if x.dtype.kind == "f" else np.sum(x)


def in_place_grad(x: Any) -> Any:
    x -= 1
    return np.exp(x, out=x)


def buffered(x: Any, scratch: Any) -> Any:
    """Writes into what is not differentiated: only its first value is right."""
    scratch += 1
    return float(np.sum(x * scratch)) if x.dtype.kind == "f" else np.sum(x * scratch)


def buffered_grad(x: Any, scratch: Any) -> Any:
    scratch += 1
    return scratch.copy()


def doubled(x: Any) -> Any:
    x *= 2
    return x


WRITERS: dict[str, tuple[Any, Any, Any, tuple[np.ndarray, ...]]] = {
    "gradient": (check_gradient, in_place, in_place_grad, (X,)),
    "float32": (check_gradient, in_place, in_place_grad, (X.astype(np.float32),)),
    "what is held": (check_gradient, buffered, buffered_grad, (X, X + 1)),
    "pullback": (check_vjp, doubled, lambda ct, x: (doubled(ct),), (X,)),
    "pullback of its point": (check_vjp, in_place, lambda ct, x: (ct * in_place_grad(x),), (X,)),
    "pushforward": (check_jvp, doubled, lambda p, t: doubled(t[0]), (X,)),
    "pushforward of its point": (check_jvp, in_place, lambda p, t: np.sum(in_place_grad(p[0]) * t[0]), (X,)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_functions_may_write_into_their_arguments(name: str) -> None:
    """The author's arrays stay, and neither function sees what the other one did."""
    check, f, rule, sample = WRITERS[name]
    kept = [array.copy() for array in sample]
    report = check(f, rule, *sample)
    assert report.verdict is Verdict.AGREE, report
    assert all(map(np.array_equal, sample, kept))


def test_read_only_inputs_will_do() -> None:
    x = X.copy()
    x.flags.writeable = False
    assert check_gradient(lambda x: float(np.sum(x**2)), lambda x: 2 * x, x).verdict is Verdict.AGREE
    assert check_gradient(lambda x: jnp.sum(x**2), lambda x: 2 * x, x).verdict is Verdict.AGREE


def test_trees_are_left_alone() -> None:
    params = {"w": [X, 2.0], "n": 3}
    check_gradient(
        lambda p: jnp.sum(p["w"][0] ** 2) * p["w"][1], lambda p: {"w": [2 * p["w"][0] * p["w"][1], p.pop("n")]}, params
    )
    assert list(params) == ["w", "n"]
    assert params["w"][1] == 2.0  # type: ignore[index]


def test_float32_with_x64_off_and_on() -> None:
    """Both in one fresh process, where nobody has asked for float64."""
    said = python("""
        import jax, jax.numpy as jnp, numpy as np
        from manual_vs_auto.gradcheck import check_gradient
        x = jnp.array([0.3, -0.7, 1.1], jnp.float32)
        f, wrong, seen = lambda x: jnp.sum(jnp.sin(x)), lambda x: 1.0001 * jnp.cos(x), set()
        def right(x):
            seen.add(str(x.dtype))
            return jnp.cos(x)
        for x64 in (False, True):
            jax.config.update("jax_enable_x64", x64)
            print(check_gradient(f, right, x).verdict, check_gradient(f, wrong, x).verdict)
            print(check_gradient(f, right, np.array([0.3, 2.0])).verdict)
            print(jax.config.jax_enable_x64 is x64, jnp.asarray(0.5).dtype, sorted(seen))
    """)
    seen = "['float32', 'float64']"
    assert said.splitlines() == [
        "AGREE DISAGREE", "AGREE", f"True float32 {seen}", "AGREE DISAGREE", "AGREE", f"True float64 {seen}",
    ]  # fmt: skip


def test_numpy_alone_where_there_is_no_jax() -> None:
    said = python("""
        import sys
        sys.modules["jax"] = sys.modules["matplotlib"] = None
        import numpy as np
        from manual_vs_auto.gradcheck import check_custom_rule, check_gradient, check_jvp, check_vjp
        x, tree = np.array([0.3, -0.7, 1.1]), {"b": 2.0, "a": [np.ones(2, np.float32)]}
        print(check_gradient(lambda x: np.sum(np.sin(x)), np.cos, x).verdict)
        report = check_gradient(lambda x: np.sum(np.sin(x)), lambda x: -np.cos(x), x)
        print(report.verdict, report.diagnosis.kind, report.cost, len(report.to_json()) > 100, report.minimal is None)
        print(check_vjp(np.dot, lambda ct, a, b: (ct * b, ct * a), x, x).verdict)
        print(check_vjp(np.dot, lambda ct, a, b: (ct * b, ct * b), x, x + 1).verdict)
        print(check_jvp(np.exp, lambda p, t: np.exp(p[0]) * t[0], x).verdict)
        print(check_gradient(lambda t: t["b"] * np.sum(t["a"][0]),
                             lambda t: {"b": np.sum(t["a"][0]), "a": [t["b"] * np.ones(2)]}, tree).verdict)
        try:
            check_custom_rule(np.sin, x)
        except (ImportError, ValueError) as error:
            print("JAX" in str(error) or "jax" in str(error))
        print([name for name in sys.modules if name.split(".")[0] in ("jax", "jaxlib") and sys.modules[name]])
    """)
    assert said.splitlines() == [
        "AGREE", "DISAGREE sign None True False", "AGREE", "DISAGREE", "AGREE", "AGREE", "True", "[]",
    ]  # fmt: skip


def test_importing_it_imports_neither_jax_nor_matplotlib() -> None:
    assert python("""
        import sys, manual_vs_auto.gradcheck
        print(sorted({name.split(".")[0] for name in sys.modules} & {"jax", "jaxlib", "matplotlib", "pytest"}))
    """) == "[]"  # fmt: skip


def test_pytest_starts_without_it(tmp_path: Path) -> None:
    """The distribution registers no plugin, and collecting a test imports neither it nor JAX."""
    registered = importlib.metadata.distribution("manual_vs_auto").entry_points
    assert [point.name for point in registered if point.group.startswith("pytest")] == []
    (tmp_path / "test_own.py").write_text("def test_own() -> None:\n    assert True\n")
    said = python("""
        import sys, pytest
        status = pytest.main(["-p", "no:cacheprovider", "--collect-only", "-q", "--rootdir", ".", "."])
        print(int(status), sorted({n.split(".")[0] for n in sys.modules} & {"jax", "jaxlib", "manual_vs_auto"}))
    """, cwd=tmp_path)  # fmt: skip
    assert "test_own" in said
    assert said.splitlines()[-1] == "0 []"
