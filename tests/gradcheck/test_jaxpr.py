"""What the checker knows of the inside of JAX's programs holds for the JAX at hand; failures name its version."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck.engines.jax import jaxpr as inside

pytestmark = pytest.mark.newest
X = np.array([[0.3, -0.7], [1.1, 0.2], [0.5, 0.4]])


def survey() -> dict[str, Any]:
    """What the programs of the JAX at hand look like, for people to read."""
    x, identity = np.ones(2, np.float32), jax.custom_vjp(lambda x: x)
    identity.defvjp(lambda x: (x, None), lambda _, ct: (ct,))
    functions: list[Callable[..., Any]] = [
        lambda x: jax.lax.scan(lambda c, row: (c + row, c), x[0], x), identity, jax.nn.relu,
        jax.checkpoint(jax.numpy.sin), jax.jit(jax.numpy.sin),
    ]  # fmt: skip
    equations = [e for f in functions for e in inside.traced(f, x)[0].jaxpr.eqns]
    named = ("scan", *inside._RULES, *inside._CALLS)
    return {
        "jax": jax.__version__, "known": any(jax.__version__.startswith(f"{release}.") for release in inside.KNOWN),
        "one kind of program": inside._jex.ClosedJaxpr is inside._jex.Jaxpr,
        **{e.primitive.name: sorted(e.params) for e in equations if e.primitive.name in named},
    }  # fmt: skip


SURVEY = survey()


def operations(f: Callable[..., Any], *args: Any) -> list[Any]:
    return [equation for equation, _ in inside.every(inside.traced(f, *args)[0].jaxpr)]


def only(f: Callable[..., Any], name: str, *args: Any) -> Any:
    found = [equation for equation in operations(f, *args) if equation.primitive.name == name]
    assert len(found) == 1, f"no single {name}: {SURVEY}"
    return found[0]


def test_the_version_is_one_that_is_known(record_property: Callable[[str, object], None]) -> None:
    for name, found in SURVEY.items():
        record_property(name, found)
        print(f"{name}: {found}")
    assert SURVEY["known"], (
        f"jax {jax.__version__} is newer than what the checker was tried on ({', '.join(inside.KNOWN)}): if the "
        f"rest of the suite passes, write it down in jaxpr.py. Its programs have: {SURVEY}"
    )


def test_the_names_of_parameters_are_those_of_the_version() -> None:
    assert {"scan", "jit", "custom_vjp_call", "custom_jvp_call"} <= set(SURVEY), SURVEY
    old = jax.__version_info__ < (0, 11)
    assert SURVEY["one kind of program"] is not old, SURVEY
    assert {"num_consts", "num_carry"} <= set(SURVEY["scan"]) or not old, SURVEY
    assert {"length", "reverse", "jaxpr"} <= set(SURVEY["scan"]), SURVEY


SCANS: dict[str, tuple[Callable[..., Any], tuple[int, int, int, bool]]] = {
    "carry alone": (lambda x: jax.lax.scan(lambda c, _: (c + 1.0, None), x, None, 5)[0], (0, 1, 5, False)),
    "carry and rows": (lambda x: jax.lax.scan(lambda c, row: (c + row, c * row), x[0], x), (0, 1, 3, False)),
    "a constant": (lambda x: jax.lax.scan(lambda c, row: (c + row @ x.T @ x, None), x[0], x)[0], (1, 1, 3, False)),
    "two carried, backwards": (
        lambda x: jax.lax.scan(lambda c, row: ((c[1], c[0] + row), row), (x[0], x[1]), x, reverse=True),
        (0, 2, 3, True),
    ),
    "rows alone": (lambda x: jax.lax.map(jnp.sin, x), (0, 0, 3, False)),
    "no rows": (lambda x: jax.lax.scan(lambda c, row: (c + row, row), x[0], x[:0]), (0, 1, 0, False)),
}


@pytest.mark.parametrize("name", SCANS)
def test_the_parts_of_a_scan(name: str) -> None:
    f, expected = SCANS[name]
    loop = inside.loop_of(only(f, "scan", X))
    assert loop is not None
    assert (loop.constants, loop.carried, loop.length, loop.backwards) == expected, SURVEY


def test_what_is_no_scan_is_none() -> None:
    assert [inside.loop_of(equation) for equation in operations(jnp.sin, X)] == [None]


def vjp() -> Any:
    f = jax.custom_vjp(lambda x: 2 * x)
    f.defvjp(lambda x: (2 * x, None), lambda _, ct: (2 * ct,))
    return f


def jvp() -> Any:
    f = jax.custom_jvp(lambda x: 2 * x)
    f.defjvp(lambda primals, tangents: (f(*primals), 2 * tangents[0]))
    return f


@pytest.mark.parametrize(
    ("f", "kind", "of_jax"),
    [(vjp(), "vjp", False), (jvp(), "jvp", False), (jax.nn.relu, "jvp", True), (jax.jit(vjp()), "vjp", False)],
    ids=["vjp", "jvp", "JAX's own", "in jit"],
)
def test_a_custom_rule_is_found_with_its_author(f: Callable[..., Any], kind: str, of_jax: bool) -> None:
    (rule,) = (rule for rule in map(inside.rule_of, operations(f, X)) if rule is not None)
    assert (rule.kind, rule.of_jax) == (kind, of_jax), SURVEY
    assert len(rule.primal.jaxpr.eqns) >= 1


@pytest.mark.parametrize("call", [jax.jit, jax.checkpoint], ids=["jit", "checkpoint"])
def test_a_call_is_opened(call: Callable[..., Any]) -> None:
    held = np.arange(6.0).reshape(3, 2)
    (equation,) = inside.traced(call(lambda x: jnp.sin(x) * held), X)[0].jaxpr.eqns
    program = inside.called(equation)
    assert program is not None, SURVEY
    assert len(program.consts) == len(program.jaxpr.constvars)
    assert [e.primitive.name for e in program.jaxpr.eqns] == ["sin", "mul"]


def test_an_operation_is_applied_to_other_values() -> None:
    (program, _) = inside.traced(lambda x: x * 3.0, X)
    (equation,) = program.jaxpr.eqns
    (found,) = inside.apply(program.jaxpr, equation, [X + 1, 3.0], lambda value: value)
    np.testing.assert_allclose(found, 3 * (X + 1))


def test_the_line_that_called_is_known() -> None:
    own = [frame for frame in inside.frames(only(lambda x: jnp.sin(x), "sin", X)) if not frame.of_jax]
    assert own, f"jax {jax.__version__} keeps no frames"
    assert own[0].file == __file__
    assert own[0].function.endswith("<lambda>")
    assert own[0].line == test_the_line_that_called_is_known.__code__.co_firstlineno + 1


def test_a_parameter_that_is_not_there_is_said_with_the_version() -> None:
    with pytest.raises(inside.UnknownJaxError) as refused:
        inside.parameter(only(jnp.sin, "sin", X), "num_consts", "ft_in")
    assert f"jax {jax.__version__}: sin has no parameter num_consts or ft_in" in str(refused.value)


UNTRACEABLE: dict[str, Callable[[Any], Any]] = {
    "NumPy": lambda x: jnp.asarray(np.sin(np.asarray(x))),
    "a float": lambda x: float(x[0, 0]) * x,
    "a branch": lambda x: x if x[0, 0] > 0 else -x,
    "an index": lambda x: x[x > 0],
    "a range": lambda x: sum(range(x[0, 0].astype(int))) * x,
}


@pytest.mark.parametrize("name", UNTRACEABLE)
def test_what_can_not_be_traced_is_told_from_a_fault(name: str) -> None:
    with pytest.raises(Exception) as refused:  # noqa: PT011  each release has its own types
        jax.eval_shape(UNTRACEABLE[name], X)
    assert inside.refuses_tracing(refused.value), refused.value
    assert not inside.refuses_tracing(TypeError("mul got incompatible shapes"))


def wrong_tree() -> Any:
    f = jax.custom_vjp(lambda x: 2 * x)
    f.defvjp(lambda x: (2 * x, None), lambda _, ct: (ct, ct))
    return f


def wrong_shape() -> Any:
    f = jax.custom_vjp(lambda x: 2 * x)
    f.defvjp(lambda x: (2 * x, None), lambda _, ct: (ct[0],))
    return f


def wrong_tangent() -> Any:
    f = jax.custom_jvp(lambda x: 2 * x)
    f.defjvp(lambda primals, tangents: (f(*primals), tangents[0][0]))
    return f


@pytest.mark.parametrize("make", [wrong_tree, wrong_shape, wrong_tangent])
def test_that_jax_refuses_a_rule_is_known(make: Callable[[], Any]) -> None:
    f = make()
    with pytest.raises((TypeError, ValueError)) as refused:
        jax.vjp(lambda x: f(x), X)[1](X)
    assert inside.refuses_the_rule(refused.value), refused.value
    with pytest.raises(TypeError) as other:
        jax.vjp(lambda x: x @ x, X)
    assert not inside.refuses_the_rule(other.value)
