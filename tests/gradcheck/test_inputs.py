"""What may be asked: trees of arguments, some of which stay as they are; and what is refused, in a sentence."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import (
    Report,
    Settings,
    Verdict,
    assert_gradients,
    check_custom_rule,
    check_gradient,
    check_jvp,
    check_vjp,
)
from tests.corpus.functions import integers, normal

FLOAT0 = jax.dtypes.float0
ONCE: Settings = {"probes": False}
X, Y = normal(0, 3), normal(1, 3)


class Line(NamedTuple):
    slope: Any
    offset: Any


def names(report: Report) -> list[str]:
    return [mark.name for mark in report.leaves]


def verdicts(report: Report) -> dict[str, str]:
    return {mark.name: str(mark.verdict) for mark in report.leaves}


def energy(params: Any) -> Any:
    return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))


TREES: dict[str, tuple[Any, list[str]]] = {
    "an array": (X, ["params"]),
    "a number": (0.75, ["params"]),
    "a NumPy number": (np.float32(0.75), ["params"]),
    "a dict": ({"b": X, "a": 0.5}, ["params['a']", "params['b']"]),
    "a named tuple": (Line(X, jnp.float32(2.0)), ["params.slope", "params.offset"]),
    "a list": ([X, [Y]], ["params[0]", "params[1][0]"]),
    "nested": ({"l": [Line(X, None)], "e": ()}, ["params['l'][0].slope"]),
    "nothing in it": ({"x": np.zeros((0, 3), np.float32), "y": X}, ["params['x']", "params['y']"]),
}


@pytest.mark.parametrize("name", TREES)
def test_trees(name: str) -> None:
    """Each leaf has a name and a verdict of its own."""
    params, leaves = TREES[name]
    report = check_gradient(energy, lambda params: jax.tree.map(lambda leaf: 2 * leaf, params), params, **ONCE)
    assert verdicts(report) == dict.fromkeys(leaves, "AGREE")

    def last_wrong(params: Any) -> Any:
        found, tree = jax.tree.flatten(params)
        return jax.tree.unflatten(tree, [*(2 * leaf for leaf in found[:-1]), 3 * found[-1]])

    report = check_gradient(energy, last_wrong, params, **ONCE)
    assert verdicts(report) == dict.fromkeys(leaves, "AGREE") | {leaves[-1]: "DISAGREE"}
    assert report.worst
    assert report.worst.name == leaves[-1]


def test_trees_come_out_too() -> None:
    def rule(ct: Any, x: Any) -> Any:
        return (ct["wave"].slope * jnp.cos(x) + ct["twice"] * 2,)

    def f(x: Any) -> Any:
        return {"wave": Line(jnp.sin(x), None), "twice": 2 * x}

    assert check_vjp(f, rule, X).verdict is Verdict.AGREE
    report = check_jvp(f, lambda p, t: {"wave": Line(jnp.cos(p[0]) * t[0], None), "twice": 3 * t[0]}, X, **ONCE)
    assert sorted(verdicts(report).values()) == ["AGREE", "DISAGREE"]


def picked(table: Any, index: Any, mask: Any, scale: int, mode: str, flag: bool, nothing: None) -> Any:
    chosen = jnp.where(mask, table[index], 0.0) * scale
    return jnp.sum(chosen**2) if flag and mode == "square" and nothing is None else chosen[0]


def picked_grad(table: Any, index: Any, mask: Any, scale: int, *_: Any) -> Any:
    return jnp.zeros_like(table).at[index].add(jnp.where(mask, 2 * scale**2 * table[index], 0.0))


REST = (integers(0, 5, 4), np.array([True, False, True, True]), 3, "square", True, None)


def test_integers_masks_and_choices_are_skipped() -> None:
    report = check_gradient(picked, picked_grad, normal(0, 5), *REST)
    assert (report.verdict, names(report)) == (Verdict.AGREE, ["table"])
    report = check_gradient(picked, lambda *args: -picked_grad(*args), normal(0, 5), *REST)
    assert (report.verdict, names(report)) == (Verdict.DISAGREE, ["table"])


@pytest.mark.parametrize("zero", [None, np.zeros(4, FLOAT0)], ids=["None", "float0"])
def test_what_an_integer_gets(zero: Any) -> None:
    """Nothing is asked of it: whether its cotangent is there, None or float0 is one."""

    def rule(ct: Any, table: Any, index: Any) -> tuple[Any, ...]:
        return jnp.zeros_like(table).at[index].add(ct), zero

    def short(ct: Any, table: Any, index: Any) -> tuple[Any, ...]:
        return rule(ct, table, index)[:1]

    args = normal(0, 5), integers(1, 5, 4)
    for each in (rule, short):
        assert check_vjp(lambda table, index: table[index], each, *args, **ONCE).verdict is Verdict.AGREE


@pytest.mark.parametrize("zero", [None, np.zeros(3, FLOAT0)], ids=["None", "float0"])
def test_none_and_float0_are_zero(zero: Any) -> None:
    report = check_vjp(lambda x, y: jnp.sin(x), lambda ct, x, y: (ct * jnp.cos(x), zero), X, Y, **ONCE)
    assert verdicts(report) == {"x": "AGREE", "y": "AGREE"}
    report = check_vjp(jnp.multiply, lambda ct, x, y: (ct * y, zero), X, Y, **ONCE)
    assert list(verdicts(report).values()) == ["AGREE", "DISAGREE"]


def test_none_within_a_tree_is_zero() -> None:
    def rule(params: Any) -> Any:
        return {"used": 2 * params["used"], "unused": None}

    report = check_gradient(lambda params: jnp.sum(params["used"] ** 2), rule, {"used": X, "unused": Y}, **ONCE)
    assert set(verdicts(report).values()) == {"AGREE"}


def test_integer_outputs_have_float0_cotangents() -> None:
    seen = []

    def rule(ct: Any, x: Any) -> Any:
        seen.append(ct[1].dtype)
        return (ct[0] * 2 * x,)

    assert check_vjp(lambda x: (x**2, jnp.argmax(x)), rule, X, **ONCE).verdict is Verdict.AGREE
    assert set(seen) == {FLOAT0}


def test_the_tangents_of_what_stays_are_none() -> None:
    seen = []

    def rule(primals: Any, tangents: Any) -> Any:
        seen.append(tangents[1:])
        return 2 * primals[0] * tangents[0] * primals[1]

    assert check_jvp(lambda x, n, how: x**2 * n, rule, X, 3, "fast", **ONCE).verdict is Verdict.AGREE
    assert all(rest == (None, None) for rest in seen)


def test_a_pushforward_may_return_the_output_too() -> None:
    def rule(primals: Any, tangents: Any) -> Any:
        return jnp.sin(primals[0]), jnp.cos(primals[0]) * tangents[0]

    assert check_jvp(jnp.sin, rule, X).verdict is Verdict.AGREE


def weighted(x: Any, w: Any, z: Any) -> Any:
    return jnp.sum(jnp.sin(x) * w**2 + z**3)


SLOPES: list[Callable[..., Any]] = [
    lambda x, w, z: jnp.cos(x) * w**2,
    lambda x, w, z: 2 * jnp.sin(x) * w,
    lambda x, w, z: 3 * z**2,
]
ARGNUMS: dict[str, tuple[Any, list[int]]] = {
    "int": (1, [1]), "the last": (-1, [2]), "a NumPy int": (np.int64(1), [1]), "a tuple": ((0, 2), [0, 2]),
    "a list": ([0, 1], [0, 1]), "negative": ((0, -1), [0, 2]), "another order": ((2, 0), [2, 0]), "one": ((1,), [1]),
}  # fmt: skip


@pytest.mark.parametrize("name", ARGNUMS)
def test_argnums(name: str) -> None:
    argnums, places = ARGNUMS[name]

    def rule(*args: Any) -> Any:
        found = tuple(SLOPES[at](*args) for at in places)
        return found if isinstance(argnums, tuple | list) else found[0]

    args = normal(0, 3), normal(1, 3), normal(2, 3)
    report = check_gradient(weighted, rule, *args, argnums=argnums)
    assert (report.verdict, sorted(names(report))) == (Verdict.AGREE, sorted("xwz"[at] for at in places))
    assert_gradients(weighted, rule, *args, argnums=argnums, **ONCE)
    with pytest.raises(AssertionError, match="DISAGREE  weighted  gradient wrt"):
        assert_gradients(weighted, lambda *args: jax.tree.map(jnp.negative, rule(*args)), *args, argnums=argnums)


def test_argnums_of_a_pullback() -> None:
    def rule(ct: Any, x: Any, w: Any, z: Any) -> Any:
        return ct * SLOPES[2](x, w, z), ct * SLOPES[0](x, w, z)

    assert check_vjp(weighted, rule, X, Y, X, argnums=(2, 0), **ONCE).verdict is Verdict.AGREE


def test_static_arguments_of_a_custom_rule() -> None:
    f = jax.custom_vjp(lambda x, power: x**power, nondiff_argnums=(1,))
    f.defvjp(lambda x, power: (x**power, x), lambda power, x, ct: (ct * power * x ** (power - 1),))
    assert check_custom_rule(f, X, 3, **ONCE).verdict is Verdict.AGREE


SHAPES: dict[str, Callable[[], Report]] = {
    "too few": lambda: check_vjp(lambda x, y: x * y, lambda ct, x, y: (ct * y,), X, Y),
    "too many": lambda: check_vjp(lambda x, y: x * y, lambda ct, x, y: (ct * y, ct * x, ct), X, Y),
    "not summed": lambda: check_vjp(lambda x, b: x + b, lambda ct, x, b: (ct, ct), X, 1.0),
    "broadcast": lambda: check_vjp(lambda x: jnp.sum(x), lambda ct, x: (ct,), X),
    "transposed": lambda: check_gradient(lambda A: jnp.sum(A**2), lambda A: 2 * A.T, normal(0, 2, 3)),
    "a tuple for one": lambda: check_gradient(lambda x: jnp.sum(x**2), lambda x: (2 * x,), X),
    "one for a tuple": lambda: check_gradient(lambda x: jnp.sum(x**2), lambda x: 2 * x, X, argnums=(0,)),
    "another tree": lambda: check_gradient(energy, lambda p: {"a": 2 * p["a"], "c": p["a"]}, {"a": X}),
    "tangent": lambda: check_jvp(lambda x: jnp.sum(x), lambda p, t: t[0], X),
    "two tangents for three": lambda: check_jvp(lambda x: (x, x, x), lambda p, t: (t[0], t[0]), X),
    "NumPy's": lambda: check_gradient(lambda x: float(np.sum(x**2)), lambda x: 2 * x[:-1], X),
}


@pytest.mark.parametrize("name", SHAPES)
def test_what_can_be_no_derivative_by_its_shape(name: str) -> None:
    report = SHAPES[name]()
    assert report.verdict is Verdict.DISAGREE
    assert report.diagnosis
    assert report.diagnosis.kind == "shape"


@pytest.mark.parametrize("name", SHAPES)
def test_a_wrong_shape_reads_well(name: str) -> None:
    """The report is about leaves, and has no empty lines."""
    report = SHAPES[name]()
    assert set(names(report)) <= {
        *"xybA",
        "result",
        "params",
        "params['a']",
        "output",
        *(f"output[{at}]" for at in range(3)),
    }
    assert all(line.strip() for line in str(report).splitlines())
