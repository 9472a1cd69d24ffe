"""What the operations of JAX's programs do, by their names: which copy, mix, sum, or bend what they are given."""

from typing import Any

from manual_vs_auto.gradcheck.engines.jax.jaxpr import parameter, shape_of

_MIXING = (
    "dot_general", "triangular_solve", "custom_linear_solve", "conv_general_dilated", "cumsum", "rev", "gather",
    "transpose",
)  # fmt: skip
_BENDING = (
    "mul", "div", "pow", "integer_pow", "square", "exp", "exp2", "expm1", "log", "log1p", "sqrt", "rsqrt", "cbrt",
    "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "asinh", "acosh", "atanh", "logistic", "erf",
    "erfc", "atan2", "dot_general", "lgamma", "digamma",
)  # fmt: skip


def is_sum(equation: Any) -> bool:
    """Whether it is linear in each operand with the factor 1 or -1."""
    return equation.primitive.name in ("add", "add_any", "sub")


def is_reduction(equation: Any) -> bool:
    """Whether it sums, or takes the largest, along axes."""
    return equation.primitive.name in ("reduce_sum", "reduce_max")


def is_extreme(equation: Any) -> bool:
    """Whether it takes the largest or the smallest along axes."""
    return equation.primitive.name in ("reduce_max", "reduce_min")


def reduced(equation: Any) -> tuple[int, ...]:
    """The axes that a reduction takes away."""
    return tuple(map(int, parameter(equation, "axes")))


def copies(equation: Any) -> bool:
    """Whether its result is made of copies of its operand's elements."""
    return equation.primitive.name in ("broadcast_in_dim", "gather")


def mixes(equation: Any) -> bool:
    """Whether an element of the result may depend on other elements of the operand."""
    return equation.primitive.name in _MIXING


def bends(equation: Any) -> bool:
    """Whether its derivative by an operand depends on where it is taken."""
    return equation.primitive.name in _BENDING


def summed_axes(equation: Any) -> tuple[int, ...]:
    """The sizes of the axes along which an operation adds or multiplies numbers into one."""
    name = equation.primitive.name
    if name in ("conv_general_dilated", "scatter-add", "scatter_add"):
        return shape_of(equation.invars[-1])
    if name in ("reduce_sum", "reduce_prod"):
        axes = parameter(equation, "axes")
    elif name == "dot_general":
        axes = parameter(equation, "dimension_numbers")[0][0]
    elif name.startswith("cum"):
        axes = (parameter(equation, "axis"),)
    elif name == "fft":
        return tuple(map(int, parameter(equation, "fft_lengths")))
    else:
        return ()
    return tuple(int(shape_of(equation.invars[0])[axis]) for axis in axes)
