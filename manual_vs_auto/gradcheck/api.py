"""The four questions, and how each is answered: the sample thoroughly, then the probes, then what is wrong."""

from collections.abc import Callable, Sequence
from typing import Any, Unpack

from manual_vs_auto.gradcheck.claims.arguments import Inputs, inputs_of
from manual_vs_auto.gradcheck.claims.claim import (
    Claim,
    gradient_claim,
    jvp_claim,
    vjp_claim,
)
from manual_vs_auto.gradcheck.claims.errors import Refused
from manual_vs_auto.gradcheck.claims.tensors import in_torch
from manual_vs_auto.gradcheck.engines.settings import nothing_changed, programs_kept
from manual_vs_auto.gradcheck.options import Options, Settings
from manual_vs_auto.gradcheck.precisions import judge
from manual_vs_auto.gradcheck.report.report import Report

Function = Callable[..., Any]
Argnums = int | Sequence[int]


def check_gradient(
    f: Function, grad_fn: Function, *args: Any, argnums: Argnums = 0, **options: Unpack[Settings]
) -> Report:
    """Judge a hand-written gradient of a scalar function.

    Source:  notes (0). grad_fn(*args) should be the gradient of f by the arguments `argnums`.
    Args:    f: (*args) -> one floating number. grad_fn: (*args) -> the gradient, like the argument if argnums is an
             int, a tuple of such if it is a sequence. args: the sample: pytrees of arrays and numbers.
             options: see Options.
    Returns: a Report.
    Raises:  UsageError (a ValueError) if f is not scalar, nothing is differentiable, or an option has no meaning.
    Example:
        >>> check_gradient(lambda x: np.sum(np.sin(np.asarray(x))), np.cos, np.array([0.1, 2.0])).verdict
        <Verdict.AGREE: 'AGREE'>
    """
    f = _plain(f, args)

    def build(inputs: Inputs) -> Claim:
        return gradient_claim(f, grad_fn, inputs, not isinstance(argnums, tuple | list))

    return _judged(f, build, args, argnums, options)


def check_vjp(
    f: Function, vjp_fn: Function, *args: Any, argnums: Argnums | None = None, **options: Unpack[Settings]
) -> Report:
    """Judge a hand-written pullback: the cotangents of the arguments, J^T ct.

    Source:  notes (3). vjp_fn(cotangent, *args) -> one cotangent a differentiable argument, in a tuple.
    Args:    f: (*args) -> a pytree of arrays. vjp_fn: its cotangent has f's structure; None (or float0) in what it
             returns is zero. args: the sample. options: see Options; argnums names the differentiable arguments.
    Returns: a Report.
    Raises:  UsageError if nothing is differentiable, or an option has no meaning.
    Example:
        >>> W, x = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, -1.0])
        >>> print(check_vjp(np.dot, lambda ct, W, x: (np.outer(ct, x), W @ ct), W, x).diagnosis.kind)
        untransposed
    """
    f = _plain(f, args)
    return _judged(f, lambda inputs: vjp_claim(f, vjp_fn, inputs), args, argnums, options)


def check_jvp(
    f: Function, jvp_fn: Function, *args: Any, argnums: Argnums | None = None, **options: Unpack[Settings]
) -> Report:
    """Judge a hand-written pushforward: the tangent of the output, J t.

    Source:  notes (1). jvp_fn(primals, tangents) -> the tangent of the output, or the pair (output, tangent).
    Args:    f: (*args) -> a pytree of arrays. jvp_fn: both tuples have one entry an argument; the tangent of what is
             not differentiable is None. args: the sample. options: see Options.
    Returns: a Report.
    Raises:  UsageError if nothing is differentiable, or an option has no meaning.
    Example:
        >>> check_jvp(np.exp, lambda primals, tangents: np.exp(primals[0]) * tangents[0], np.array([0.5])).verdict
        <Verdict.AGREE: 'AGREE'>
    """
    f = _plain(f, args)
    return _judged(f, lambda inputs: jvp_claim(f, jvp_fn, inputs), args, argnums, options)


def check_custom_rule(f: Function, *args: Any, argnums: Argnums | None = None, **options: Unpack[Settings]) -> Report:
    """Judge the derivative rules that a function carries: jax.custom_vjp or jax.custom_jvp, on it or inside it.

    Of tensors: every torch.autograd.Function in f, whose backward must be the derivative of its forward.

    Args:    f: (*args) -> a pytree of arrays; the rule may sit inside jit, scan or another function. A
             torch.autograd.Function itself will do, and a module. args: the sample. options: see Options;
             argnums as above.
    Returns: a Report. The rule's own output is compared with f's, too.
    Raises:  UsageError if there is no custom rule in f.
    Example:
        >>> import jax
        >>> square = jax.custom_jvp(lambda x: x * x)
        >>> _ = square.defjvp(lambda primals, tangents: (primals[0] ** 2, 2 * primals[0] * tangents[0]))
        >>> check_custom_rule(jax.jit(square), 3.0).verdict
        <Verdict.AGREE: 'AGREE'>
    """
    if in_torch(f, args):
        from manual_vs_auto.gradcheck.engines.torch.custom import custom_claim
    else:
        from manual_vs_auto.gradcheck.engines.jax.custom import custom_claim
    f = _plain(f, args)
    return _judged(f, lambda inputs: custom_claim(f, inputs), args, argnums, options)


def assert_gradients(
    f: Function, grad_fn: Function, *args: Any, argnums: Argnums = 0, **options: Unpack[Settings]
) -> None:
    """check_gradient for a test.

    Raises:  AssertionError with the report as its text, unless the verdict is AGREE; UsageError as check_gradient.
    Example:
        >>> assert_gradients(lambda x: np.sum(np.sin(np.asarray(x))), np.cos, np.array([0.1, 2.0]))
    """
    __tracebackhide__ = True
    check_gradient(f, grad_fn, *args, argnums=argnums, **options).assert_agrees()


def assert_vjp(
    f: Function, vjp_fn: Function, *args: Any, argnums: Argnums | None = None, **options: Unpack[Settings]
) -> None:
    """check_vjp for a test.

    Raises:  AssertionError with the report as its text, unless the verdict is AGREE; UsageError as check_vjp.
    Example:
        >>> W, x = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, -1.0])
        >>> assert_vjp(np.dot, lambda ct, W, x: (np.outer(ct, x), W.T @ ct), W, x)
    """
    __tracebackhide__ = True
    check_vjp(f, vjp_fn, *args, argnums=argnums, **options).assert_agrees()


def assert_jvp(
    f: Function, jvp_fn: Function, *args: Any, argnums: Argnums | None = None, **options: Unpack[Settings]
) -> None:
    """check_jvp for a test.

    Raises:  AssertionError with the report as its text, unless the verdict is AGREE; UsageError as check_jvp.
    Example:
        >>> assert_jvp(np.exp, lambda primals, tangents: np.exp(primals[0]) * tangents[0], np.array([0.5]))
    """
    __tracebackhide__ = True
    check_jvp(f, jvp_fn, *args, argnums=argnums, **options).assert_agrees()


def assert_custom_rule(f: Function, *args: Any, argnums: Argnums | None = None, **options: Unpack[Settings]) -> None:
    """check_custom_rule for a test.

    Raises:  AssertionError with the report as its text, unless the verdict is AGREE; UsageError as check_custom_rule.
    Example:
        >>> import jax
        >>> square = jax.custom_jvp(lambda x: x * x)
        >>> _ = square.defjvp(lambda primals, tangents: (primals[0] ** 2, 2 * primals[0] * tangents[0]))
        >>> assert_custom_rule(square, 3.0)
    """
    __tracebackhide__ = True
    check_custom_rule(f, *args, argnums=argnums, **options).assert_agrees()


def _plain(f: Callable[..., Any], args: tuple[Any, ...]) -> Callable[..., Any]:
    """What is called: a torch.autograd.Function is no function of its arguments, nor is a module one without memory."""
    if not in_torch(f, args):
        return f
    from manual_vs_auto.gradcheck.engines.torch.custom import applied

    plain: Callable[..., Any] = applied(f)
    return plain


def _judged(
    f: Function, build: Callable[[Inputs], Claim], args: tuple[Any, ...], argnums: Any, options: Settings
) -> Report:
    chosen = Options.of(options)
    try:
        with nothing_changed(in_torch(f, args)), programs_kept(chosen.cache):
            convention = chosen.complex_convention or ("conjugate" if in_torch(f, args) else "jax")
            inputs = inputs_of(f, args, argnums, convention == "conjugate")
            return judge(build, inputs, chosen)
    except Refused as refused:
        # Nothing could be asked at all: the author sees his own error.
        raise refused.error from None
