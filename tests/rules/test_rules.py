"""Every rule by the same tester, at every batch shape."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.rules import RULES, Rule, one_hot
from manual_vs_auto.rules.rule import Primals
from tests.haste import hastily
from tests.rules.tester import check_rule

BATCHES = [(), (1,), (5,), (2, 3), (0,)]
NAMES = [rule.name for rule in RULES]


def _with_targets(primals: Primals) -> Primals:
    """The same primals with soft targets, some of them 0, that need not sum to 1, in place of labels."""
    classes = 4
    labels = primals[-1]
    if labels.dtype.kind == "f":
        return primals
    soft = np.maximum(np.random.default_rng(5).uniform(-0.5, 1, size=(*labels.shape, classes)), 0)
    return *primals[:-1], soft


def test_the_rules_are_named_apart() -> None:
    assert len(set(NAMES)) == len(RULES)


@pytest.mark.parametrize("batch", BATCHES, ids=str)
@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_rule(rule: Rule, batch: tuple[int, ...]) -> None:
    check_rule(rule, rule.samples(np.random.default_rng(1), batch), batch)


@pytest.mark.parametrize("batch", [(), (3,)], ids=str)
@pytest.mark.parametrize("rule", [r for r in RULES if "labels" in r.primals], ids=lambda r: r.name)
def test_rule_with_targets(rule: Rule, batch: tuple[int, ...]) -> None:
    check_rule(rule, _with_targets(rule.samples(np.random.default_rng(2), batch)), batch)


@pytest.mark.parametrize("rule", [r for r in RULES if "labels" in r.primals], ids=lambda r: r.name)
def test_labels_are_their_one_hot_targets(rule: Rule) -> None:
    primals = rule.samples(np.random.default_rng(3), (6,))
    targets = (*primals[:-1], one_hot(primals[-1], np.zeros((6, 4))))
    np.testing.assert_array_equal(rule.primal(*primals), rule.primal(*targets))
    ct = np.random.default_rng(8).normal(size=rule.primal(*primals).shape)
    by_labels, by_targets = (rule.bwd(rule.fwd(*p)[1], ct) for p in (primals, targets))
    for a, b in zip(by_labels[:-1], by_targets[:-1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert by_labels[-1] is None
    assert by_targets[-1].shape == (6, 4)


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_numpy_never_reaches_jax(rule: Rule) -> None:
    primals = rule.samples(np.random.default_rng(4), (3,))
    parts = [rule.primal(*primals), *rule.jacobian(*primals), *rule.bwd(rule.fwd(*primals)[1], rule.primal(*primals))]
    assert all(isinstance(part, np.ndarray | np.generic) for part in parts if part is not None)


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_vmap_is_the_batch(rule: Rule) -> None:
    primals = tuple(jnp.asarray(p) for p in rule.samples(np.random.default_rng(6), (5,)))
    axes = tuple(None if name in rule.shared else 0 for name in rule.primals)
    mapped = hastily(jax.vmap(rule.primal, axes), *primals)
    # The same operations in another order of sums: a few of them, each off by at most an ulp.
    np.testing.assert_allclose(mapped, rule.primal(*primals), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_dtype_is_kept_and_sums_are_wider(rule: Rule, dtype: str) -> None:
    """Inputs in the dtype; the result is the float64 one of the same inputs, rounded once at each rule."""
    sample = rule.samples(np.random.default_rng(7), (3,))
    primals = tuple(jnp.asarray(p, dtype) if p.dtype.kind == "f" else jnp.asarray(p) for p in sample)
    exact = tuple(np.asarray(p, np.float64) if p.dtype.kind != "i" else np.asarray(p) for p in primals)
    out, residuals = hastily(rule.fwd, *primals)
    assert out.dtype == jnp.dtype(dtype)
    # Three rules at most follow one another, each rounding its output; logits up to 10 make exp's argument
    # wrong by 10 eps / 2.
    allowed = 12 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(np.asarray(out, np.float64), rule.primal(*exact), rtol=allowed, atol=allowed)
    cotangent = np.linspace(-1, 1, out.size).reshape(out.shape).astype(np.float16).astype(np.float64)
    cotangent = np.asarray(jnp.asarray(cotangent, dtype), np.float64)
    found = rule.bwd(residuals, jnp.asarray(cotangent, dtype))
    for primal, a, b in zip(primals, found, rule.bwd(rule.fwd(*exact)[1], cotangent), strict=True):
        if b is not None:
            assert a.dtype == primal.dtype
            np.testing.assert_allclose(
                np.asarray(a, np.float64), b, rtol=allowed, atol=allowed * np.abs(cotangent).max()
            )
