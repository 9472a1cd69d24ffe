"""What the items share: samples, ways to make a rule of a slope, and functions of one element with their slopes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Rule = Callable[..., Any]
POSITIVE = {"domain": (0.0, float("inf"))}


def normal(seed: int, *shape: int, dtype: Any = np.float32, scale: float = 1.0) -> Any:
    return np.asarray(np.random.default_rng(seed).normal(size=shape) * scale).astype(dtype)


def positive(seed: int, *shape: int, dtype: Any = np.float32) -> Any:
    return np.asarray(np.random.default_rng(seed).uniform(0.5, 2.0, size=shape)).astype(dtype)


def integers(seed: int, below: int, *shape: int) -> Any:
    return np.random.default_rng(seed).integers(0, below, size=shape).astype(np.int32)


def symmetric(seed: int, n: int, dtype: Any = np.float32) -> Any:
    a = np.random.default_rng(seed).normal(size=(n, n))
    return (a + a.T).astype(dtype)


def definite(seed: int, n: int, dtype: Any = np.float32) -> Any:
    a = np.random.default_rng(seed).normal(size=(n, n))
    return (a @ a.T / n + np.eye(n)).astype(dtype)


def regular(seed: int, n: int, dtype: Any = np.float32) -> Any:
    """Return a matrix that is far from singular, and not symmetric."""
    return (np.random.default_rng(seed).normal(size=(n, n)) * 0.3 + 2.0 * np.eye(n)).astype(dtype)


def with_vjp(f: Rule, rule: Rule) -> Any:
    """Give f the rule (cotangent, *args) -> cotangents as its custom_vjp."""
    g = jax.custom_vjp(f)
    g.defvjp(lambda *args: (f(*args), args), lambda args, ct: tuple(rule(ct, *args)))
    return g


def with_jvp(f: Rule, rule: Rule) -> Any:
    """Give f the rule (primals, tangents) -> tangent as its custom_jvp."""
    g = jax.custom_jvp(f)
    g.defjvp(lambda primals, tangents: (f(*primals), rule(primals, tangents)))
    return g


def edited(rule: Rule, hypothesis: Callable[[Any], Any], leaf: int | None = None) -> Rule:
    """Return the rule with an hypothesis to one of the gradients that it returns, or to all of them."""

    def manual(*args: Any) -> Any:
        out = rule(*args)
        if leaf is None:
            return jax.tree.map(hypothesis, out)
        return tuple(hypothesis(g) if i == leaf else g for i, g in enumerate(out))

    return manual


def with_ct(rule: Rule, hypothesis: Callable[[Any], Any]) -> Rule:
    """Return a vjp rule that sees an edited cotangent."""
    return lambda ct, *args: rule(jax.tree.map(hypothesis, ct), *args)


def computed_in(dtype: Any, rule: Rule) -> Rule:
    """Return a rule of floating arrays that rounds to a dtype within, and returns the dtype of its arguments."""

    def manual(*args: Any) -> Any:
        out = rule(*(jnp.asarray(a).astype(dtype) for a in args))
        return jax.tree.map(lambda g: g.astype(jnp.asarray(args[0]).dtype), out)

    return manual


def detached(rule: Rule) -> Rule:
    """Return a vjp rule whose arguments, but for the cotangent, are constants to whoever differentiates it."""
    return lambda ct, *args: rule(ct, *(jax.lax.stop_gradient(a) for a in args))


def total(f: Rule) -> Rule:
    """Return the sum of what f returns; its gradient is the slope where f works on each element."""
    return lambda x: jnp.sum(f(x))


def slope_vjp(slope: Rule) -> Rule:
    return lambda ct, x: (ct * slope(x),)


def slope_jvp(slope: Rule) -> Rule:
    return lambda primals, tangents: slope(primals[0]) * tangents[0]


def sigmoid(x: Any) -> Any:
    return jax.nn.sigmoid(x)


def d_sigmoid(x: Any) -> Any:
    return jax.nn.sigmoid(x) * jax.nn.sigmoid(-x)


def tanh(x: Any) -> Any:
    return jnp.tanh(x)


def d_tanh(x: Any) -> Any:
    e = jnp.exp(-2.0 * jnp.abs(x))
    return 4.0 * e / (1.0 + e) ** 2


def softplus(x: Any) -> Any:
    return jnp.logaddexp(x, jnp.zeros_like(x))


def relu(x: Any) -> Any:
    return jnp.maximum(x, 0.0)


def d_relu(x: Any) -> Any:
    return jnp.where(x > 0, jnp.ones_like(x), jnp.zeros_like(x))


def leaky_relu(x: Any) -> Any:
    return jnp.where(x > 0, x, 0.1 * x)


def d_leaky_relu(x: Any) -> Any:
    return jnp.where(x > 0, jnp.ones_like(x), jnp.full_like(x, 0.1))


def elu(x: Any) -> Any:
    return jnp.where(x > 0, x, jnp.expm1(jnp.where(x > 0, 0.0, x)))


def d_elu(x: Any) -> Any:
    return jnp.where(x > 0, 1.0, jnp.exp(jnp.where(x > 0, 0.0, x)))


def silu(x: Any) -> Any:
    return x * jax.nn.sigmoid(x)


def d_silu(x: Any) -> Any:
    return jax.nn.sigmoid(x) * (1.0 + x * jax.nn.sigmoid(-x))


def gelu(x: Any) -> Any:
    x = jnp.asarray(x)
    return 0.5 * x * (1.0 + jnp.tanh(0.7978845608028654 * (x + 0.044715 * x**3)))


def d_gelu(x: Any) -> Any:
    x = jnp.asarray(x)
    u = 0.7978845608028654 * (x + 0.044715 * x**3)
    return 0.5 * (1.0 + jnp.tanh(u)) + 0.5 * x * d_tanh(u) * 0.7978845608028654 * (1.0 + 3.0 * 0.044715 * x**2)


def softsign(x: Any) -> Any:
    return x / (1.0 + jnp.abs(x))


def d_softsign(x: Any) -> Any:
    return 1.0 / (1.0 + jnp.abs(x)) ** 2


def hard_tanh(x: Any) -> Any:
    return jnp.clip(x, -1.0, 1.0)


def d_hard_tanh(x: Any) -> Any:
    return jnp.where(jnp.abs(x) < 1.0, jnp.ones_like(x), jnp.zeros_like(x))


def huber(x: Any) -> Any:
    return jnp.where(jnp.abs(x) <= 1.0, 0.5 * x**2, jnp.abs(x) - 0.5)


def d_huber(x: Any) -> Any:
    return jnp.where(jnp.abs(x) <= 1.0, x, jnp.sign(x))


def cubic(x: Any) -> Any:
    return x**3 - 2.0 * x**2 + 0.5 * x + 1.0


def d_cubic(x: Any) -> Any:
    return 3.0 * x**2 - 4.0 * x + 0.5


def bump(x: Any) -> Any:
    return jnp.exp(-(x**2))


def d_bump(x: Any) -> Any:
    return -2.0 * x * jnp.exp(-(x**2))


def log_cosh(x: Any) -> Any:
    return jnp.logaddexp(x, -x) - 0.6931471805599453


def d_sqrt(x: Any) -> Any:
    return 0.5 / jnp.sqrt(x)


def sum_of_squares(x: Any) -> Any:
    return jnp.sum(jnp.asarray(x) ** 2)


def d_sum_of_squares(x: Any) -> Any:
    return 2.0 * jnp.asarray(x)
