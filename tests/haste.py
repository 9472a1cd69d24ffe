"""Programs that are compiled in a hurry: in a test they run once or twice on a few numbers, and compiling is all."""

from typing import Any

import jax

from manual_vs_auto.gradcheck.engines.jax.together import hasty

HASTY = hasty()


def hastily(function: Any, *arguments: Any) -> Any:
    """function(*arguments) as one program."""
    return jax.jit(function, compiler_options=HASTY)(*arguments)
