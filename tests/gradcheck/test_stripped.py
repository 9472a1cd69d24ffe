"""Custom rules are taken out of a function wherever they sit, and JAX's own stay; what else a program is made of."""

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import UsageError, Verdict, check_custom_rule
from manual_vs_auto.gradcheck.engines.jax.stripped import bare, program, rules_in, stripped
from manual_vs_auto.gradcheck.engines.jax.traits import traits

pytestmark = pytest.mark.newest
Function = Callable[..., Any]
X = np.array([0.3, -0.7, 1.1])


def cube(x: Any) -> Any:
    return x * x * x


def lying_vjp(f: Function) -> Any:
    """The function with a pullback that is 0."""
    g = jax.custom_vjp(f)
    g.defvjp(lambda x: (f(x), x), lambda x, ct: (jnp.zeros_like(ct),))
    return g


def lying_jvp(f: Function) -> Any:
    g = jax.custom_jvp(f)
    g.defjvp(lambda primals, tangents: (f(*primals), jnp.zeros_like(tangents[0])))
    return g


RULES: dict[str, Callable[[Function], Any]] = {"vjp": lying_vjp, "jvp": lying_jvp}
PLACES: dict[str, Callable[[Function], Function]] = {
    "at the top": lambda g: g,
    "in an expression": lambda g: lambda x: jnp.sin(g(2 * x)),
    "in jit": lambda g: jax.jit(lambda x: g(x) + x),
    "in jit in jit": lambda g: jax.jit(lambda x: 2 * jax.jit(g)(x)),
    "in scan": lambda g: lambda x: jax.lax.scan(lambda c, row: (c + g(row), g(c)), x[0], x),
    "in scan in jit": lambda g: jax.jit(lambda x: jax.lax.scan(lambda c, _: (jax.jit(g)(c), None), x, None, 2)[0]),
    "in while": lambda g: lambda x: jax.lax.while_loop(lambda s: s[0] < 2, lambda s: (s[0] + 1, g(s[1])), (0, x))[1],
    "in fori": lambda g: lambda x: jax.lax.fori_loop(0, 2, lambda _, y: g(y), x),
    "in cond": lambda g: lambda x: jax.lax.cond(x[0] > 0, g, lambda y: y, x),
    "in the other branch of cond": lambda g: lambda x: jax.lax.cond(x[0] < 0, lambda y: y, g, x),
    "in switch": lambda g: lambda x: jax.lax.switch(1, [jnp.sin, g, jnp.cos], x),
    "in vmap": lambda g: jax.vmap(g),
    "in vmap of jit": lambda g: jax.vmap(jax.jit(lambda x: g(x) * x)),
    "in map": lambda g: lambda x: jax.lax.map(g, x),
    "in checkpoint": lambda g: jax.checkpoint(lambda x: jnp.cos(g(x))),
    "in a rule of the other kind": lambda g: lying_jvp(lambda x: jnp.exp(g(x))),
    "in a rule of the other kind in scan": lambda g: lambda x: jax.lax.map(lying_vjp(lambda y: g(y) + y), x),
    "beside JAX's own": lambda g: lambda x: jax.nn.relu(g(x)) + jnp.sinc(g(x)),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", RULES)
def test_a_rule_is_removed(kind: str, place: str) -> None:
    """The pushforward of the stripped function is that of the one that never had a rule."""
    tangent = np.array([1.0, 0.5, -2.0])
    ours = stripped(PLACES[place](RULES[kind](cube)))
    values, slopes = jax.jvp(ours, (X,), (tangent,))
    never = PLACES[place](cube)
    if "rule of the other kind" in place:
        never = stripped(never)
    expected = jax.jvp(never, (X,), (tangent,))
    for found, right in zip(jax.tree.leaves((values, slopes)), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-15)
    assert any(np.any(leaf != 0) for leaf in jax.tree.leaves(slopes))


@pytest.mark.parametrize("kind", RULES)
def test_a_rule_within_its_own_kind_is_removed(kind: str) -> None:
    inner = RULES[kind](cube)
    outer = RULES[kind](lambda x: jnp.sin(inner(x)))
    found = jax.grad(lambda x: jnp.sum(stripped(outer)(x)))(X)
    np.testing.assert_allclose(found, np.cos(X**3) * 3 * X**2, rtol=1e-12)


@pytest.mark.parametrize("kind", RULES)
def test_second_derivatives_are_those_of_the_function(kind: str) -> None:
    plain = stripped(RULES[kind](cube))
    assert jax.grad(jax.grad(plain))(0.7) == pytest.approx(6 * 0.7)


def test_trees_come_back_as_they_are() -> None:
    given = {"a": X, "b": (np.float64(2.0), [X])}
    found = stripped(lambda tree: {"sum": lying_vjp(cube)(tree["a"]) * tree["b"][0], "none": None})(given)
    assert found["none"] is None
    np.testing.assert_allclose(found["sum"], 2 * X**3)


@pytest.mark.parametrize("wrapped", [False, True], ids=["called", "in jit"])
def test_the_slope_of_relu_at_0_stays(wrapped: bool) -> None:
    f = jax.jit(lambda x: jax.nn.relu(x)) if wrapped else jax.nn.relu
    assert jax.grad(stripped(f))(0.0) == 0.0  # that of maximum is a half
    assert jax.grad(stripped(lambda x: jnp.maximum(x, 0.0)))(0.0) == 0.5


def test_the_curvature_of_sinc_at_0_stays() -> None:
    assert jax.grad(stripped(jnp.sinc))(0.0) == 0.0
    assert jax.grad(jax.grad(stripped(jnp.sinc)))(0.0) == pytest.approx(-(np.pi**2) / 3)


def test_unrolled_loops_compute_the_same() -> None:
    def f(x: Any) -> Any:
        last, seen = jax.lax.scan(lambda c, row: (c + cube(row), c * row), x[0], x, reverse=True)
        return last * jnp.sum(seen)

    assert stripped(f, unroll=True)(X) == pytest.approx(float(f(X)), rel=1e-12)
    np.testing.assert_allclose(jax.grad(stripped(f, unroll=True))(X), jax.grad(f)(X), rtol=1e-12)


def with_slope(f: Any) -> Any:
    """A rule in the short form, whose code is JAX's around the user's lambda."""
    g = jax.custom_jvp(f)
    g.defjvps(lambda t, answer, x: 0 * t)
    return g


OWN = {
    "on JAX's function, vjp": lambda: lying_vjp(jnp.sin),
    "on JAX's function, jvp": lambda: lying_jvp(jnp.sin),
    "on the user's function, short form": lambda: with_slope(lambda x: jnp.sin(x)),
}


@pytest.mark.parametrize("name", OWN)
def test_a_rule_is_the_users_whoever_wrote_the_function(name: str) -> None:
    f = OWN[name]()
    assert len(rules_in(f, 0.4)) == 1
    assert jax.grad(stripped(f))(0.4) == pytest.approx(np.cos(0.4))


def test_a_package_whose_name_begins_with_jax_is_not_jax() -> None:
    """It would be installed beside JAX: .../site-packages/jaxopt."""
    file = Path(jax.__file__).parents[1] / "jaxopt" / "rules.py"
    source = "import jax\nf = jax.custom_jvp(lambda x: x * x)\nf.defjvp(lambda p, t: (f(*p), 0 * t[0]))\n"
    module = types.ModuleType("rules")
    exec(compile(source, str(file), "exec"), vars(module))
    assert rules_in(module.f, 3.0) == {"jvp"}
    assert jax.grad(stripped(module.f))(3.0) == 6.0


def test_the_kinds_of_rules_are_found_wherever_they_sit() -> None:
    assert rules_in(cube, X) == set()
    assert rules_in(lambda x: jax.nn.relu(jnp.sinc(jax.nn.silu(x))), X) == set()
    for place in PLACES.values():
        assert "vjp" in rules_in(place(lying_vjp(cube)), X)
    assert rules_in(lambda x: lying_vjp(cube)(x) + lying_jvp(cube)(x), X) == {"vjp", "jvp"}


def test_jaxs_own_rules_are_judged_where_there_are_no_others() -> None:
    """Beside a rule of somebody else's they are trusted."""
    assert rules_in(jax.nn.relu, X) == set()
    assert rules_in(jax.nn.relu, X, of_jax=True) == {"jvp"}
    report = check_custom_rule(jax.nn.relu, X)
    assert report.verdict is Verdict.AGREE
    assert any("JAX's own" in note for note in report.notes)
    with pytest.raises(UsageError, match="no custom_vjp and no custom_jvp in cube"):
        check_custom_rule(cube, X)


def test_what_is_bare_has_not_even_jaxs_own_rules() -> None:
    assert jax.grad(bare(jax.nn.relu))(0.0) == 0.5  # that of maximum
    inside_map = jax.jit(lambda x: jnp.sum(jax.lax.map(jax.nn.relu, x)))
    assert jax.grad(bare(inside_map))(np.zeros(2))[0] == 0.5
    assert rules_in(bare(lambda x: jnp.logaddexp(x, jax.nn.relu(lying_vjp(cube)(x)))), X) == set()


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_the_lowest_dtype_is_found(dtype: str) -> None:
    x = jnp.asarray(X)
    assert program(stripped(lambda x: jnp.sum(jnp.sin(x.astype(dtype)).astype("float64"))), x).dtype == dtype
    assert program(stripped(jax.jit(lambda x: lying_vjp(lambda y: y.astype(dtype) * 2)(x) * 1.0)), x).dtype == dtype
    assert program(stripped(lambda x: jax.lax.map(lambda y: y.astype(dtype) + 0, x) * 1.0), x).dtype == dtype


SUMS: dict[str, tuple[Function, int]] = {
    "no sum": (jnp.sin, 1),
    "all": (jnp.sum, 600),
    "by rows": (lambda x: jnp.sum(x, 1), 30),
    "mean": (jnp.mean, 600),
    "product of matrices": (lambda x: x.T @ x, 20),
    "cumulative": (lambda x: jnp.cumsum(x, 0), 20),
    "in jit": (jax.jit(lambda x: jnp.sum(x, 0)), 20),
    "in a rule": (lambda x: lying_vjp(lambda y: jnp.sum(y))(x), 600),
    "in a loop": (lambda x: jax.lax.scan(lambda c, row: (c + jnp.sum(row), None), x[0, 0], x)[0], 600),
}


@pytest.mark.parametrize("name", SUMS)
def test_the_longest_sum_is_counted(name: str) -> None:
    f, terms = SUMS[name]
    assert program(stripped(f), jnp.ones((20, 30))).longest_sum == terms


STOPPING: dict[str, tuple[Function, bool]] = {
    "by name": (lambda x: x * jax.lax.stop_gradient(x), True),
    "in jit": (jax.jit(lambda x: x * jax.lax.stop_gradient(x)), True),
    "a tree": (lambda x: x * jax.lax.stop_gradient({"x": x})["x"], True),
    "in a loop": (lambda x: jax.lax.map(lambda y: y - jax.lax.stop_gradient(y), x), True),
    "straight through": (lambda x: x + jax.lax.stop_gradient(jnp.round(x) - x), True),
    "not at all": (cube, False),
    "in logsumexp": (jax.nn.logsumexp, False),
    "in softmax": (lambda x: jnp.sum(jax.nn.softmax(x) ** 2), False),
    "in log_softmax in jit": (jax.jit(lambda x: jax.nn.log_softmax(x)[0]), False),
    "both": (lambda x: jax.nn.logsumexp(x) * jax.lax.stop_gradient(x), True),
}


@pytest.mark.parametrize("name", STOPPING)
def test_a_function_that_stops_gradients_itself_is_known(name: str) -> None:
    f, expected = STOPPING[name]
    assert traits(f, X).detaches is expected
