"""Loops and solvers of JAX that take several lines, and the functions of JAX that carry a rule under their own name."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Function = Callable[..., Any]


def halving(x: Any, y: Any) -> Any:
    """A fori_loop of a held number of turns."""
    return lax.fori_loop(0, 5, lambda _, c: 0.5 * c + jnp.sin(x) * y, y)


def turning(x: Any) -> Any:
    """A while loop, which has no reverse mode."""
    return lax.while_loop(lambda c: c[0] < 4, lambda c: (c[0] + 1, jnp.sin(c[1]) * x), (0, x))[1]


def until_small(x: Any, y: Any) -> Any:
    """A while loop as long as its carry is large."""
    return lax.while_loop(lambda c: jnp.max(jnp.abs(c)) > 1e-2, lambda c: 0.3 * jnp.sin(x) * c, y)


def recurrent(x: Any, y: Any, z: Any) -> Any:
    """A scan with a carry and an output a turn."""

    def step(h: Any, row: Any) -> tuple[Any, Any]:
        h = jnp.tanh(y @ h + row)
        return h, jnp.sum(h)

    return lax.scan(step, z, x)


def backwards(x: Any, y: Any) -> Any:
    """A scan from the end."""
    return lax.scan(lambda c, row: (0.9 * c + row, c * row), y, x, reverse=True)


def checkpointed(x: Any, y: Any) -> Any:
    """Two layers, computed again backward."""
    return jax.checkpoint(lambda x, y: jnp.sum(jnp.tanh(jnp.tanh(x @ y) @ y.T)))(x, y)


def branches(x: Any) -> Any:
    """cond and switch."""
    return lax.cond(x[0] > 0, jnp.sin, jnp.cos, x) + lax.switch(1, [jnp.exp, jnp.square], x)


def linear_solve(x: Any, y: Any) -> Any:
    """lax.custom_linear_solve with a dense solver."""
    return lax.custom_linear_solve(
        lambda v: x @ v, y, lambda _, b: jnp.linalg.solve(x, b), lambda _, b: jnp.linalg.solve(x.T, b)
    )


def square_root(x: Any) -> Any:
    """lax.custom_root by Newton's method."""
    return lax.custom_root(
        lambda r: r * r - x, jnp.ones_like(x),
        lambda f, r: lax.fori_loop(0, 30, lambda _, r: r - f(r) / (2 * r), r), lambda g, y: y / g(1.0),
    )  # fmt: skip


def by_conjugate_gradients(x: Any, y: Any) -> Any:
    """jax.scipy.sparse.linalg.cg, whose rule is implicit."""
    return jax.scipy.sparse.linalg.cg(lambda v: x @ v, y, tol=1e-10)[0]


def mapped(x: Any, y: Any) -> Any:
    """vmap over the first axis."""
    return jax.vmap(lambda row, w: jnp.outer(jnp.sin(row), w))(x, y)


FUNCTIONS: tuple[tuple[Function, str, dict[str, Any]], ...] = (
    (recurrent, "n53 n33 n3", {}),
    (backwards, "n53 n3", {}),
    (checkpointed, "n34 n42", {}),
    (branches, "n5", {}),
    (linear_solve, "s33 n3", {}),
    (square_root, "p", {"domain": (0, None)}),
    (by_conjugate_gradients, "s44 n4", {"structure": {"x": "positive_definite"}}),
    (mapped, "n34 n32", {}),
    (halving, "n n4", {}),
)
FORWARD: tuple[tuple[Function, str, dict[str, Any]], ...] = ((turning, "n3", {}), (until_small, "n4 n4", {}))

CUSTOM = """
nn.relu(x) | n34
nn.relu(x) | z34
nn.relu6(x) | w34
nn.log1mexp(x) | p34
sp.logit(x) | u34
sp.xlogy(x, y) | p34 p34
sp.xlog1py(x, y) | p34 p34
sp.entr(x) | p34
sp.log_ndtr(x) | n34
sp.expi(x) | p5
sp.erfcx(x) | n5
sp.poch(x, y) | p4 p4
sp.zeta(x, y) | g4 p4
jnp.sinc(x) | n34
jnp.sinc(x) | z5
jnp.i0(x) | n5
jnp.linalg.det(x) | n44
jnp.linalg.slogdet(x) | n33
jnp.linalg.pinv(x) | n34
nn.relu(x @ y) | n34 n42
"""
