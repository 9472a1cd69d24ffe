"""One tester for every rule: does each of its parts say what its primal does?

Three witnesses stand against the rule: differences of its own primal in NumPy float64, the definition of
jvp and vjp by the Jacobian, and automatic differentiation.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from manual_vs_auto.rules import Array, Rule
from manual_vs_auto.rules.rule import Derivatives, Primals
from tests.haste import hastily

EPS = np.finfo(np.float64).eps

# Central differences of fourth order: the error is f's fifth derivative times STEP^4 / 30, and rounding
# in f over STEP. No rule at its samples has a fifth derivative above 1e4.
_STEP = 5e-4
_TRUNCATION = 1e4 * _STEP**4 / 30


def check_rule(rule: Rule, primals: Primals, batch: tuple[int, ...], seed: int = 0) -> None:
    """Every part of a rule on NumPy float64 primals with these batch axes, by every witness."""
    check_in_numpy(rule, primals, batch, seed)
    _check_autodiff(rule, primals, batch, np.random.default_rng(seed))


def check_in_numpy(rule: Rule, primals: Primals, batch: tuple[int, ...], seed: int = 0) -> None:
    """The same without autodiff, which has to compile."""
    generator = np.random.default_rng(seed)
    tangents = tuple(generator.normal(size=p.shape) if _floating(p) else None for p in primals)
    _check_jacobian_by_differences(rule, primals, batch)
    _check_products(rule, primals, tangents, batch, generator)
    _check_rows_are_independent(rule, primals, tangents, batch, generator)


def _check_jacobian_by_differences(rule: Rule, primals: Primals, batch: tuple[int, ...]) -> None:
    out = rule.primal(*primals)
    allowed = _TRUNCATION + 4 * EPS / _STEP * np.max(np.abs(out), initial=1.0)
    jacobians = rule.jacobian(*primals)
    assert len(jacobians) == len(primals) == len(rule.primals)
    for at, (name, primal, jacobian) in enumerate(zip(rule.primals, primals, jacobians, strict=True)):
        if not _floating(primal):
            assert jacobian is None
            continue
        own = primal.shape if name in rule.shared else primal.shape[len(batch) :]
        expected = np.empty((*out.shape, *own))
        for index in np.ndindex(own):
            where = index if name in rule.shared else (..., *index)

            def moved(steps: int, at: int = at, primal: Array = primal, where: tuple[object, ...] = where) -> Array:
                changed = primal.copy()
                changed[where] += steps * _STEP
                return rule.primal(*primals[:at], changed, *primals[at + 1 :])

            near, far = moved(1) - moved(-1), moved(2) - moved(-2)
            expected[(..., *index)] = (8 * near - far) / (12 * _STEP)
        np.testing.assert_allclose(jacobian, expected, rtol=0, atol=allowed, err_msg=f"{rule.name} by {name}")


def _check_products(
    rule: Rule, primals: Primals, tangents: Derivatives, batch: tuple[int, ...], generator: np.random.Generator
) -> None:
    out, residuals = rule.fwd(*primals)
    np.testing.assert_array_equal(out, rule.primal(*primals))
    cotangent = generator.normal(size=out.shape)
    cotangents = rule.bwd(residuals, cotangent)
    jacobians = rule.jacobian(*primals)
    total, total_size = np.zeros(out.shape), np.zeros(out.shape)
    for name, primal, jacobian, tangent, found in zip(
        rule.primals, primals, jacobians, tangents, cotangents, strict=True
    ):
        if jacobian is None:
            assert found is None
            continue
        shared = name in rule.shared
        rows, own = math.prod(out.shape[len(batch) :]), math.prod(jacobian.shape[out.ndim :])
        flat = jacobian.reshape(*batch, rows, own)
        moved = np.broadcast_to(tangent.reshape(own), (*batch, own)) if shared else tangent.reshape(*batch, own)
        total += np.einsum("...mi,...i->...m", flat, moved).reshape(out.shape)
        total_size += np.einsum("...mi,...i->...m", abs(flat), abs(moved)).reshape(out.shape)
        ct = cotangent.reshape(*batch, rows)
        expected = np.einsum("...mi,...m->...i", flat, ct)
        size = np.einsum("...mi,...m->...i", abs(flat), abs(ct))
        if shared:
            expected, size = (a.reshape(math.prod(batch), own).sum(0) for a in (expected, size))
        expected, size = expected.reshape(primal.shape), size.reshape(primal.shape)
        _assert_close(found, expected, size, f"{rule.name} bwd {name}")
    _assert_close(rule.jvp(primals, tangents), total, total_size, f"{rule.name} jvp")
    nothing = rule.jvp(primals, (None,) * len(primals))
    np.testing.assert_array_equal(nothing, np.zeros(out.shape), strict=True)


def _check_rows_are_independent(
    rule: Rule, primals: Primals, tangents: Derivatives, batch: tuple[int, ...], generator: np.random.Generator
) -> None:
    def row(arrays: Derivatives, index: tuple[int, ...]) -> Primals:
        pairs = zip(rule.primals, arrays, strict=True)
        return tuple(a if a is None or name in rule.shared else a[index] for name, a in pairs)

    out, residuals = rule.fwd(*primals)
    cotangent = generator.normal(size=out.shape)
    cotangents = rule.bwd(residuals, cotangent)
    sums = [np.zeros(p.shape) if name in rule.shared else None for name, p in zip(rule.primals, primals, strict=True)]
    for index in np.ndindex(batch):
        alone = row(primals, index)
        out_alone, residuals_alone = rule.fwd(*alone)
        _assert_close(out[index], out_alone, np.abs(out_alone) + 1, f"{rule.name} row")
        _assert_close(rule.jvp(primals, tangents)[index], rule.jvp(alone, row(tangents, index)), 10, "jvp row")
        for at, found in enumerate(rule.bwd(residuals_alone, np.asarray(cotangent[index]))):
            whole = cotangents[at]
            if sums[at] is not None:
                sums[at] += found
            elif found is not None and whole is not None:
                _assert_close(whole[index], found, np.abs(found) + 1, "bwd row")
    for whole, expected in zip(cotangents, sums, strict=True):
        if expected is not None:
            _assert_close(whole, expected, np.abs(expected) + 10, "bwd summed over the batch")


def _check_autodiff(rule: Rule, primals: Primals, batch: tuple[int, ...], generator: np.random.Generator) -> None:
    tangents = tuple(generator.normal(size=p.shape) if _floating(p) else None for p in primals)
    hand_written = jax.custom_vjp(rule.primal)
    hand_written.defvjp(rule.fwd, rule.bwd)
    floating = tuple(at for at, p in enumerate(primals) if _floating(p))

    def everything(arrays: Primals, moved: Primals, cotangent: jax.Array) -> tuple[Derivatives, ...]:
        def of(function: Callable[..., Array]) -> Callable[..., Array]:
            def partial(*chosen: Array) -> Array:
                filled = dict(zip(floating, chosen, strict=True))
                return function(*(filled.get(at, p) for at, p in enumerate(arrays)))

            return partial

        chosen = tuple(arrays[at] for at in floating)
        by_autodiff = jax.vjp(of(rule.primal), *chosen)[1](cotangent)
        by_rule = jax.vjp(of(hand_written), *chosen)[1](cotangent)
        tangent = jax.jvp(of(rule.primal), chosen, moved)[1]
        jacobians = jax.jacrev(of(rule.primal), argnums=tuple(range(len(chosen))))(*chosen) if batch == () else ()
        return by_autodiff, by_rule, tangent, jacobians

    cotangent = generator.normal(size=rule.primal(*primals).shape)
    moved = tuple(jnp.asarray(tangents[at]) for at in floating)
    by_autodiff, by_rule, tangent, jacobians = hastily(
        everything, tuple(map(jnp.asarray, primals)), moved, jnp.asarray(cotangent)
    )
    in_numpy = rule.bwd(rule.fwd(*primals)[1], cotangent)
    for expected, plugged, at in zip(by_autodiff, by_rule, floating, strict=True):
        size = np.max(np.abs(expected), initial=1.0)
        _assert_close(plugged, expected, size, f"{rule.name} in custom_vjp, against autodiff")
        _assert_close(in_numpy[at], expected, size, f"{rule.name} in NumPy, against autodiff")
    _assert_close(rule.jvp(primals, tangents), tangent, np.max(np.abs(tangent), initial=1.0), "jvp")
    for expected, at in zip(jacobians, floating if jacobians else (), strict=True):
        _assert_close(rule.jacobian(*primals)[at], expected, np.max(np.abs(expected), initial=1.0), "jacobian")


def _assert_close(found: Array, expected: Array, size: Array, what: str) -> None:
    """Equal but for rounding: no element is a sum of more than 50 products, each of several roundings."""
    found, expected = np.asarray(found), np.asarray(expected)
    excess = np.abs(found - expected) - 200 * EPS * size
    assert found.shape == expected.shape, (what, found.shape, expected.shape)
    assert np.all(excess <= 0), f"{what}: {found} is not {expected}"


def _floating(array: Array) -> bool:
    return bool(array.dtype.kind == "f")
