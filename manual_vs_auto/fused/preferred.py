"""A kernel where it can run, and the same numbers by XLA where it can't."""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax


def preferred(kernel: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays that runs the kernel on CUDA; elsewhere, under vmap and differentiated it is `plain`.

    A kernel has no rule for batching and no derivative. What differentiates a gradient again, or maps it, gets
    the slower program and no error.
    """

    @jax.custom_jvp
    @jax.custom_batching.custom_vmap
    def either(*arrays: Any) -> Any:
        return lax.platform_dependent(*arrays, cuda=kernel, default=plain)

    # jax.custom_batching is not typed.
    @either.fun.def_vmap  # type: ignore[attr-defined, untyped-decorator]
    def batched(size: int, is_batched: Any, *arrays: Any) -> Any:
        axes = jax.tree.map(lambda one: 0 if one else None, tuple(is_batched))
        out = jax.vmap(plain, in_axes=axes, axis_size=size)(*arrays)
        return out, jax.tree.map(lambda _: True, out)

    @either.defjvp
    def differentiated(primals: Any, tangents: Any) -> Any:
        return jax.jvp(plain, primals, tangents)

    return either
