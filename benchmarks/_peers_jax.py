"""JAX's own rules: jax.vjp and jax.jvp of its functions, and check_custom_rule of those which carry one by name.

Left out, as faults of JAX 0.10.1: scipy.special.spence, whose derivative is NaN between 1 and 1.5, and
stats.gumbel_r.logpdf by its scale, which raises.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.image
import jax.numpy as jnp
import jax.ops
import jax.scipy as jsp
import numpy as np
from jax import lax

from benchmarks import _peers_jax_loops as loops
from benchmarks import _peers_jax_more as more
from benchmarks import _peers_jax_tables as tables
from benchmarks._peers_item import Item, Line, floating, lines
from benchmarks._peers_numpy import COMPLEX, shared, ufuncs

# Functions that JAX can't differentiate at all.
_ABSENT = ("np.nextafter", "np.spacing")
# JAX's NumPy in the tables of both is np; these are for those of JAX alone.
NAMESPACE: Mapping[str, Any] = {
    "np": jnp, "jnp": jnp, "jax": jax, "lax": lax, "nn": jax.nn, "sp": jsp.special, "st": jsp.stats, "sl": jsp.linalg,
    "sg": jsp.signal, "image": jax.image, "ops": jax.ops, "ndimage": jsp.ndimage,
}  # fmt: skip


def pullback(f: Callable[..., Any]) -> Callable[..., Any]:
    """jax.vjp as a rule."""
    return lambda ct, *args: jax.vjp(f, *args)[1](ct)


def pushforward(f: Callable[..., Any]) -> Callable[..., Any]:
    """jax.jvp as a rule; what does not move has the tangent zero, of JAX's empty kind if it is a whole number."""

    def still(primal: Any) -> Any:
        return jnp.zeros_like(primal) if floating(primal) else np.zeros(np.shape(primal), jax.dtypes.float0)

    def rule(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
        pairs = zip(primals, tangents, strict=True)
        return jax.jvp(f, primals, tuple(still(primal) if t is None else t for primal, t in pairs))

    return rule


def both(source: str, line: Line, namespace: Mapping[str, Any], dtype: Any = np.float32) -> Iterator[Item]:
    """A line backward and forward."""
    f, args = line.function(namespace), tuple(map(jnp.asarray, line.args(dtype)))
    if all(np.result_type(out).kind not in "fc" for out in jax.tree.leaves(jax.eval_shape(f, *args))):
        return
    for form, rule in (("vjp", pullback), ("jvp", pushforward)):
        yield Item(source, line.name, form, f, rule(f), args, line.options)


def jax_items() -> Iterator[Item]:
    """All but the complex ones, backward and forward in turns; loops and solvers both ways."""
    functions = [line for line in ufuncs(jnp) if not line.expression.startswith(_ABSENT)]
    for at, line in enumerate([*functions[::2], *shared()]):
        yield list(both("jax.numpy", line, NAMESPACE))[at % 2]
    for source, table in {**tables.TABLES, **more.TABLES}.items():
        for at, line in enumerate(lines(table)):
            found = list(both(source, line, NAMESPACE))
            yield from found if source == "jax control flow" else found[at % 2 :][:1]
    for line in lines(loops.CUSTOM):
        f = line.function(NAMESPACE)
        yield Item("jax by name", line.name, "custom", f, None, tuple(map(jnp.asarray, line.args(np.float32))))
    yield from _named()


def complex_items() -> Iterator[Item]:
    """Complex arguments and outputs, in JAX's convention."""
    for at, line in enumerate(lines(COMPLEX)):
        yield list(both("jax complex", line, NAMESPACE))[at % 4 == 3]


def _named() -> Iterator[Item]:
    """Functions of several lines, which the tables can't hold."""
    for f, samples, options in (*loops.FUNCTIONS, *loops.FORWARD):
        call = f"{f.__name__}({', '.join('xyzw'[: len(samples.split())])})"
        found = list(both("jax control flow", Line(call, samples, options), {f.__name__: f}))
        yield from found[1:] if (f, samples, options) in loops.FORWARD else found
