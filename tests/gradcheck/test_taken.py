"""Every way in which JAX lets a rule be given, rules of JAX's own and of libraries, and whatever hangs beside them."""

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from manual_vs_auto.gradcheck import (
    Report,
    UsageError,
    check_custom_rule,
    check_gradient,
    check_jvp,
    check_vjp,
)
from manual_vs_auto.gradcheck.claims.arguments import inputs_of
from manual_vs_auto.gradcheck.claims.claim import vjp_claim
from manual_vs_auto.gradcheck.claims.domain import domain_of
from manual_vs_auto.gradcheck.engines.jax import jaxpr as inside
from manual_vs_auto.gradcheck.search.points import points, resized
from manual_vs_auto.gradcheck.witnesses.reference import dense_direction
from tests.corpus.functions import normal
from tests.corpus.functions_layers import softmax, softmax_vjp

X, Y = normal(0, 4), normal(1, 4)
SLOPE = {"right": 3.0, "wrong": 2.0}
VERDICTS = {"right": "AGREE", "wrong": "DISAGREE"}


def cubed(factor: float, f: Callable[[Any], Any] = lambda x: x**3) -> Any:
    """x^3 with the slope factor * x^2."""
    ruled = jax.custom_vjp(f)
    ruled.defvjp(lambda x: (f(x), x), lambda x, ct: (ct * factor * x**2,))
    return ruled


def put_onto(f: Callable[..., Any], *slopes: Any) -> Any:
    ruled = jax.custom_jvp(f)
    ruled.defjvps(*slopes)
    return ruled


class Slope:
    """A rule may be an object, or a method of one."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, t: Any, _: Any, x: Any) -> Any:
        return self.factor / 3 * t * jnp.cos(x)

    def of(self, t: Any, y: Any, x: Any) -> Any:
        return self(t, y, x)


def rounding_rule(factor: float) -> Any:
    """Its pullback is of float32 whatever it is given: JAX takes that where it is what f has."""
    ruled = jax.custom_vjp(lambda x: x**3)
    ruled.defvjp(lambda x: (x**3, x), lambda x, ct: ((ct * factor * x**2).astype(jnp.float32),))
    return ruled


def by_static(factor: float) -> Any:
    ruled = jax.custom_vjp(lambda power, x, mode: x**power if mode == "power" else x, nondiff_argnums=(0, 2))
    ruled.defvjp(
        lambda power, x, mode: (ruled(power, x, mode), x),
        lambda power, mode, x, ct: (ct * factor * x ** (power - 1),),
    )
    return ruled


class Layer:
    """Its method carries the rule, and what it multiplies with."""

    def __init__(self, factor: float) -> None:
        self.factor, self.ruled = factor, jax.custom_vjp(self.cube, nondiff_argnums=())
        self.ruled.defvjp(lambda x: (self.cube(x), x), self.back)

    def cube(self, x: Any) -> Any:
        return x**3

    def back(self, x: Any, ct: Any) -> Any:
        return (ct * self.factor * x**2,)


class Bound:
    """nondiff_argnums names the object itself."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    @functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
    def ruled(self, x: Any) -> Any:
        return x**3

    ruled.defvjp(lambda self, x: (x**3, x), lambda self, x, ct: (ct * self.factor * x**2,))

    def cube(self, x: Any) -> Any:
        return Bound.ruled(self, x)


@jax.tree_util.register_dataclass
@dataclass
class Module:
    """A pytree that is called, as those of equinox."""

    weight: Any
    bias: Any

    def __call__(self, x: Any) -> Any:
        return self.weight * x + self.bias


def module_rule(factor: float) -> Any:
    def f(module: Any, x: Any) -> Any:
        return module(x) ** 3

    ruled = jax.custom_vjp(f)

    def backward(kept: Any, ct: Any) -> Any:
        module, x = kept
        inner = ct * factor * module(x) ** 2
        return Module(inner * x, jnp.sum(inner)), inner * module.weight

    ruled.defvjp(lambda module, x: (f(module, x), (module, x)), backward)
    return ruled


def closed_over(factor: float) -> Any:
    """closure_convert hoists what a function closes over into arguments."""

    @functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
    def called(f: Any, x: Any, *held: Any) -> Any:
        return f(x, *held) ** 3

    def backward(f: Any, kept: Any, ct: Any) -> Any:
        x, held = kept
        out, pull = jax.vjp(lambda x, held: f(x, *held), x, held)
        dx, dheld = pull(ct * factor * out**2)
        return dx, *dheld

    called.defvjp(lambda f, x, *held: (called(f, x, *held), (x, held)), backward)

    def outer(x: Any, scale: Any) -> Any:
        f, held = jax.closure_convert(lambda x: x * scale, x)
        return called(f, x, *held)

    return outer


def gradient_of(factor: float) -> Any:
    """custom_gradient with a keyword, a tree and a number that is closed over."""
    scale = jnp.float32(factor)

    def f(tree: Any, y: Any) -> Any:
        a, b = tree["a"], tree["b"][0]
        return {"out": a**3 * b * y}, lambda ct: (
            {"a": ct["out"] * scale * a**2 * b * y, "b": [ct["out"] * a**3 * y]}, ct["out"] * a**3 * b,
        )  # fmt: skip

    return jax.custom_gradient(f)


POLICY = jax.checkpoint_policies.nothing_saveable
# Each with the factor 3 is right, and with another is not.
GIVEN: dict[str, tuple[Callable[[float], Any], tuple[Any, ...]]] = {
    "custom_gradient": (lambda c: jax.custom_gradient(lambda x: (x**3, lambda ct: ct * c * x**2)), (X,)),
    "custom_gradient of trees": (gradient_of, ({"a": X, "b": [Y]}, normal(2, 4))),
    "custom_gradient of a partial": (
        lambda c: jax.custom_gradient(functools.partial(lambda k, x: (x**3, lambda ct: ct * k * x**2), c)), (X,)),
    "defjvps on JAX's": (lambda c: put_onto(jnp.sin, lambda t, _, x: c / 3 * t * jnp.cos(x)), (X,)),
    "defjvps on JAX's by an object": (lambda c: put_onto(jnp.sin, Slope(c)), (X,)),
    "defjvps on JAX's by a method": (lambda c: put_onto(jnp.sin, Slope(c).of), (X,)),
    "defjvps on JAX's by jit": (lambda c: put_onto(jnp.sin, jax.jit(lambda t, _, x: c / 3 * t * jnp.cos(x))), (X,)),
    "defjvps on JAX's by a partial": (
        lambda c: put_onto(jnp.sin, functools.partial(lambda k, t, _, x: k / 3 * t * jnp.cos(x), c)), (X,)),
    "defjvps on JAX's, one of two": (
        lambda c: lambda x: put_onto(jnp.multiply, None, lambda t, _, x, y: c / 3 * t * x)(Y, x), (X,)),
    "on an attribute": (lambda c: Layer(c).ruled, (X,)),
    "on a method": (lambda c: Bound(c).cube, (X,)),
    "partial": (lambda c: functools.partial(by_static(c), 3, mode="power"), (X,)),
    "a string is held": (by_static, (3, X, "power")),
    "a pullback of float32": (lambda c: rounding_rule(c), (X,)),
    "jit": (lambda c: jax.jit(cubed(c)), (X,)),
    "jit with static arguments": (lambda c: jax.jit(by_static(c), static_argnums=(0, 2)), (3, X, "power")),
    "checkpoint with a policy": (lambda c: jax.checkpoint(cubed(c), policy=POLICY), (X,)),
    "a module": (module_rule, (Module(X, np.float32(0.5)), Y)),
    "closure_convert": (closed_over, (X, np.float32(1.5))),
    "None, bool and a key": (
        lambda c: lambda x, nothing, flag, key: cubed(c)(x) + (0 if nothing is None and flag else key), (
            X, None, True, jax.random.key(0))),
    "beside JAX's own": (lambda c: lambda x: jax.nn.relu(cubed(c)(x)) + jnp.logaddexp(x, x), (X,)),
    "an optimizer's step": (
        lambda c: lambda x: optax.sgd(0.1).update(cubed(c)(x), optax.sgd(0.1).init(x))[0], (X,)),
    "in a linear solve": (
        lambda c: lambda x: jax.lax.custom_linear_solve(
            lambda v: 2.0 * v, cubed(c)(x), lambda _, b: b / 2.0, symmetric=True), (X,)),
}  # fmt: skip


@pytest.mark.parametrize("which", [pytest.param("right", marks=pytest.mark.newest), "wrong"])
@pytest.mark.parametrize("way", GIVEN)
def test_a_rule_is_taken_in_whatever_way_it_is_given(way: str, which: str) -> None:
    make, args = GIVEN[way]
    report = check_custom_rule(make(SLOPE[which]), *args, effort="quick")
    assert str(report.verdict) == VERDICTS[which], report


def test_the_hessian_of_what_is_given_is_taken() -> None:
    assert str(check_custom_rule(cubed(3.0), X, order=2).verdict) == "AGREE"
    way = jax.custom_gradient(lambda x: (jnp.sum(x**3), lambda ct: ct * 3 * x**2))
    assert str(check_custom_rule(way, X, order=2).verdict) == "AGREE"
    detached = jax.custom_gradient(lambda x: (jnp.sum(x**3), lambda ct: ct * 3 * jax.lax.stop_gradient(x) ** 2))
    assert str(check_custom_rule(detached, X, order=2).verdict) == "DISAGREE"


def only_float32(f: Callable[..., Any]) -> Callable[..., Any]:
    """Kernels and tables are made for one precision."""

    @functools.wraps(f)
    def picky(*args: Any) -> Any:
        for leaf in jax.tree.leaves(args):
            assert leaf.dtype == np.float32, f"made for float32, not {leaf.dtype}"
        return f(*args)

    return picky


def folded(x: Any) -> Any:
    """The carry of the loop has JAX's own precision: in float64 it must not be fed float32."""
    return jax.lax.scan(lambda c, row: (c + row**3, None), jnp.zeros(2), x.reshape(-1, 2))[0]


def narrow_tangent(factor: float) -> Any:
    ruled = jax.custom_jvp(lambda x: x**3)
    ruled.defjvp(lambda p, t: (p[0] ** 3, (factor * t[0] * p[0] ** 2).astype(jnp.float32)))
    return ruled


PICKY: dict[str, Callable[[float], Report]] = {
    "f": lambda c: check_gradient(
        only_float32(lambda x: jnp.sum(x**3)), lambda x: (c * x**2).astype(x.dtype), X, effort="quick"),
    "f of NumPy": lambda c: check_gradient(
        only_float32(lambda x: np.sum(np.asarray(x) ** 3)), lambda x: np.float32(c) * x**2, X, effort="quick"),
    "the rule": lambda c: check_vjp(
        lambda x: x**3, only_float32(lambda ct, x: (jnp.float32(c) * ct * x**2,)), X, effort="quick"),
    "the rule of NumPy": lambda c: check_vjp(
        lambda x: np.asarray(x) ** 3, only_float32(lambda ct, x: (np.float32(c) * ct * np.asarray(x) ** 2,)), X,
        effort="quick"),
    "a pushforward": lambda c: check_jvp(
        only_float32(lambda x: x**3), only_float32(lambda p, t: jnp.float32(c) * t[0] * p[0] ** 2), X),
    "both, carried": lambda c: check_custom_rule(only_float32(cubed(c, only_float32(lambda x: x**3))), X),
    "a tangent of float32": lambda c: check_custom_rule(narrow_tangent(c), X),
    "a loop of float32": lambda c: check_vjp(
        lambda x: folded(x) if x.dtype == jnp.float32 else jnp.zeros(3) @ jnp.ones(4),
        lambda ct, x: (c * x**2 * jnp.tile(ct, 2),), X),
}  # fmt: skip


@pytest.mark.parametrize("factor", [3.0, 3.03, 2.0])
@pytest.mark.parametrize("who", PICKY)
def test_what_refuses_float64_is_judged_in_its_own_precision(who: str, factor: float) -> None:
    with jax.enable_x64(False):
        report = PICKY[who](factor)
    assert str(report.verdict) == ("AGREE" if factor == 3.0 else "DISAGREE"), report
    assert any("refuses float64" in note and "float32" in note for note in report.notes)


def test_what_refuses_its_own_precision_too_is_its_authors_affair() -> None:
    with pytest.raises(AssertionError, match="made for float32, not float64"):
        check_gradient(only_float32(squares), lambda x: 2 * x, X.astype(np.float64))
    with pytest.raises(AssertionError, match="made for float32"):
        check_gradient(only_float32(squares), lambda x: 2 * x, X.astype(np.float16))


def test_a_derivative_of_another_shape_is_no_matter_of_precision() -> None:
    """Nor is it an error: a pushforward runs within the call of f."""
    ruled = jax.custom_jvp(lambda x: x**3)
    ruled.defjvp(lambda p, t: (p[0] ** 3, t[0][:2]))
    report = check_custom_rule(ruled, X)
    assert str(report.verdict) == "DISAGREE"
    assert report.diagnosis
    assert report.diagnosis.kind == "shape"


def squares(x: Any) -> Any:
    return jnp.sum(x**2)


BY_NAME: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "relu at 0": (jax.nn.relu, (np.array([-1.0, 0.0, 2.0], np.float32),)),
    "in an expression": (lambda x, y: jax.nn.silu(jnp.logaddexp(x, y)), (X, Y)),
    "xlogy": (jax.scipy.special.xlogy, (np.abs(X), np.abs(Y) + 0.1)),
    "expi": (jax.scipy.special.expi, (np.abs(X) + 0.1,)),
    "slogdet": (lambda a: jnp.linalg.slogdet(a)[1], (np.eye(3, dtype=np.float32) + normal(4, 3, 3) / 9,)),
    "pinv": (jnp.linalg.pinv, (normal(4, 3, 2),)),
    "optax": (optax.projections.projection_simplex, (X,)),
    "optax's loss": (optax.losses.sigmoid_focal_loss, (X, np.array([0.0, 1.0, 1.0, 0.0], np.float32))),
}
"""JAX's or a library's own: where there are rules in it, these are judged."""


@pytest.mark.newest
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.whole] if n == "expi" else []) for n in BY_NAME])
def test_rules_of_libraries_are_taken_by_name(name: str) -> None:
    f, args = BY_NAME[name]
    # Which functions carry a rule is each release's own affair.
    carries = any(inside.rule_of(equation) for equation, _ in inside.every(inside.traced(f, *args)[0].jaxpr))
    with jax.enable_x64(False), contextlib.nullcontext() if carries else pytest.raises(UsageError, match="no custom_"):
        report = check_custom_rule(f, *args, effort="quick", argnums=0)
        assert str(report.verdict) == "AGREE", report


@pytest.mark.newest
def test_a_rule_of_jaxs_own_may_be_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "of_jax", lambda *_: True)
    for factor, verdict in ((3.0, "AGREE"), (2.0, "DISAGREE")):
        report = check_custom_rule(cubed(factor), X, effort="quick")
        assert str(report.verdict) == verdict
        assert any("JAX's own" in note for note in report.notes)


SOLVED: dict[str, Callable[[Any], Any]] = {
    "custom_root": lambda x: jax.lax.custom_root(
        lambda y: y**2 - x, jnp.ones_like(x),
        lambda f, y: jax.lax.fori_loop(0, 30, lambda _, y: y - f(y) / (2 * y), y), lambda g, y: y / g(jnp.ones_like(y)),
    ),
    "custom_linear_solve": lambda x: jax.lax.custom_linear_solve(
        lambda y: y * x, x**1.5, lambda _, b: b / x, symmetric=True),
}  # fmt: skip


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", SOLVED)
def test_jaxs_own_implicit_rules_are_trusted(name: str, order: int) -> None:
    """Both are the square root."""
    x = np.abs(X) + 0.5
    options: dict[str, Any] = {"domain": (0.1, 10.0), "effort": "quick", "order": order}
    right = check_gradient(lambda x: jnp.sum(SOLVED[name](x)), lambda x: 0.5 / jnp.sqrt(x), x, **options)
    assert str(right.verdict) == "AGREE", right
    wrong = check_gradient(lambda x: jnp.sum(SOLVED[name](x)), lambda x: 1 / jnp.sqrt(x), x, **options)
    assert str(wrong.verdict) == "DISAGREE"


INF = np.float32(np.inf)
MASKED = np.array([[0.5, -INF, 1.0, -2.0], [-INF, 0.3, -INF, -INF]], np.float32)


def logged(z: Any) -> Any:
    """The sum of the log-probabilities that are not masked."""
    return jnp.sum(jnp.where(jnp.isfinite(z), jax.nn.log_softmax(z), 0.0))


def logged_grad(z: Any) -> Any:
    kept = jnp.isfinite(z)
    return jnp.where(kept, 1.0, 0.0) - jax.nn.softmax(z) * jnp.sum(kept, -1, keepdims=True)


def masked_softmax_vjp(ct: Any, z: Any, there: float = 0.0) -> Any:
    (dz,) = softmax_vjp(ct, z)
    return (jnp.where(jnp.isfinite(z), dz, there).astype(z.dtype),)


WITH_MASKS: dict[str, tuple[Callable[..., Report], str]] = {
    "right": (lambda **o: check_vjp(softmax, softmax_vjp, MASKED, **o), "AGREE"),
    "right, with an argument that has none": (
        lambda **o: check_vjp(lambda z, v: softmax(z) @ v, lambda ct, z, v: (
            *softmax_vjp(jnp.outer(ct, v), z), softmax(z).T @ ct), MASKED, Y, **o), "AGREE"),
    "right, forward": (
        lambda **o: check_jvp(softmax, lambda p, t: softmax(p[0]) * (
            t[0] - jnp.sum(softmax(p[0]) * t[0], -1, keepdims=True)), MASKED, **o), "AGREE"),
    "right, in bfloat16": (
        lambda **o: check_vjp(softmax, softmax_vjp, jnp.asarray(MASKED, jnp.bfloat16), **o), "AGREE"),
    "right, each alone": (
        lambda **o: check_gradient(jnp.exp, jnp.exp, -INF, **o), "AGREE"),
    "right, in a domain": (lambda **o: check_vjp(softmax, softmax_vjp, MASKED, domain=(-30.0, 30.0), **o), "AGREE"),
    "right where autodiff says nothing": (lambda **o: check_gradient(logged, logged_grad, MASKED, **o), "AGREE"),
    "nan where autodiff says 0": (
        lambda **o: check_vjp(softmax, lambda ct, z: masked_softmax_vjp(ct, z, np.nan), MASKED, **o), "DISAGREE"),
    "1 where autodiff says 0": (
        lambda **o: check_vjp(softmax, lambda ct, z: masked_softmax_vjp(ct, z, 1.0), MASKED, **o), "DISAGREE"),
    "wrong beside the mask": (
        lambda **o: check_vjp(softmax, lambda ct, z: (softmax(z) * ct,), MASKED, **o), "DISAGREE"),
    "of NumPy": (
        lambda **o: check_gradient(lambda z: np.sum(np.exp(np.asarray(z))), lambda z: np.exp(z), MASKED, **o), "AGREE"),
    "of NumPy, wrong": (
        lambda **o: check_gradient(lambda z: np.sum(np.exp(np.asarray(z))), lambda z: z + 1, MASKED, **o), "DISAGREE"),
    "NaN that f skips": (
        lambda **o: check_gradient(
            lambda z: jnp.sum(jnp.where(jnp.isnan(z), 0.0, z) ** 2), lambda z: jnp.where(jnp.isnan(z), 0.0, 2 * z),
            np.array([1.0, np.nan, -2.0], np.float32), **o), "AGREE"),
    "NaN that f skips, and the rule does not": (
        lambda **o: check_gradient(
            lambda z: jnp.sum(jnp.where(jnp.isnan(z), 0.0, z) ** 2), lambda z: 2 * z,
            np.array([1.0, np.nan, -2.0], np.float32), **o), "DISAGREE"),
}  # fmt: skip


@pytest.mark.parametrize("name", WITH_MASKS)
def test_what_is_masked_stays_as_it_is(name: str) -> None:
    ask, verdict = WITH_MASKS[name]
    report = ask()
    assert str(report.verdict) == verdict, report
    if "where autodiff says 0" in name:
        assert report.diagnosis
        assert report.diagnosis.kind == "mask"


def test_no_probe_moves_what_is_masked() -> None:
    """Of the sample's shape, every one holds -inf where the sample does, and nowhere else."""
    inputs = inputs_of(softmax, (MASKED,), None)
    domain = domain_of(inputs, (-1e3, 1e3), None)
    with np.errstate(invalid="ignore"):
        tried = list(points(domain, [MASKED], np.random.default_rng(0), True, [0.5]))
    assert len([arrays for _, arrays in tried if arrays]) > 8
    for label, arrays in tried:
        for a in arrays or []:
            np.testing.assert_array_equal(np.isfinite(a), np.isfinite(MASKED), label)
            assert np.all(a[~np.isfinite(a)] == -INF)
    larger = resized(MASKED, (3, 6), True, np.random.default_rng(0))
    np.testing.assert_array_equal(np.isfinite(larger[:2, :4]), np.isfinite(MASKED))
    direction = dense_direction(vjp_claim(softmax, softmax_vjp, inputs), [MASKED], np.random.default_rng(0))
    np.testing.assert_array_equal(direction[0] != 0, np.isfinite(MASKED))


@pytest.mark.parametrize("x", [np.nan, INF, -INF])
def test_where_f_is_not_finite_because_of_the_sample_nothing_is_asked(x: Any) -> None:
    with pytest.raises(UsageError, match="the sample holds numbers that are not finite"):
        check_gradient(squares, lambda x: 2 * x, np.array([1.0, x], np.float32))


DRAWN: dict[str, Callable[[Any, Any], Any]] = {
    "at every call": lambda p, t: 2 * np.asarray(p[0]) * t[0] * np.random.default_rng().normal(),
    "at every trace": lambda p, t: 2 * p[0] * t[0] * np.random.default_rng().normal(),
    "at every trace, hardly": lambda p, t: 2 * p[0] * t[0] * (1 + 1e-12 * np.random.default_rng().normal()),
}


@pytest.mark.parametrize("noisy", DRAWN.values(), ids=DRAWN)
def test_a_pushforward_that_draws_names_its_output(noisy: Callable[[Any, Any], Any]) -> None:
    f = (lambda x: np.asarray(x) ** 2) if noisy is DRAWN["at every call"] else (lambda x: x**2)
    report = check_jvp(f, noisy, jnp.asarray(X))
    assert report.diagnosis
    assert report.diagnosis.kind == "nondeterministic"
    assert [mark.name for mark in report.leaves] == ["output"]


@pytest.mark.parametrize("limit", [None, 1.5])
def test_a_rule_that_cancels_is_linear_and_one_that_clips_is_not(limit: float | None) -> None:
    """Saturated, nearly all of what softmax's pullback adds up cancels."""

    def back(ct: Any, z: Any, v: Any) -> Any:
        ct = ct if limit is None else jnp.clip(ct, -limit, limit)
        return *softmax_vjp(jnp.outer(ct, v), z), softmax(z).T @ ct

    report = check_vjp(lambda z, v: softmax(z) @ v, back, MASKED[:1], 30 * Y)
    assert str(report.verdict) == ("AGREE" if limit is None else "DISAGREE"), report


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_index_of_numpys_that_jax_has_met_in_the_other_precision(dtype: str) -> None:
    """Where JAX is set to float32 it refuses to trace one in int32 that was traced in int64 before."""
    index, x = np.array([0, 2, 1, 1]), np.array([0.1, 0.2, -0.4], dtype)

    def f(x: Any) -> Any:
        return jax.jit(jnp.sin)(x)[index]

    def vjp(ct: Any, x: Any) -> tuple[Any, ...]:
        return (jnp.zeros_like(x).at[index].add(ct) * jnp.cos(x),)

    with jax.enable_x64(False):
        assert check_vjp(f, vjp, x).verdict.value == "AGREE"
        report = check_vjp(f, lambda ct, x: (1.5 * vjp(ct, x)[0],), x)
    assert report.verdict.value == "DISAGREE"
    assert report.minimal
    assert "float32" not in report.minimal.code
