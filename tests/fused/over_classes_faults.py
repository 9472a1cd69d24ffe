"""Faults planted in the fused loss with its classes over virtual devices: each must be seen.

Run by `test_classes_over_devices`, as `over_classes`.
"""

from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp

from manual_vs_auto.fused import pieces, program, rows, sweeps, targets
from tests.fused.over_classes import SIZES, SPREAD, second, tell, tied, wrong


def of_parts(change: Callable[[Any, Any, Any], Any]) -> Any:
    return lambda row, parts, options, right=rows.of_parts: right(row, change(row, parts, options), options)


def raised(change: Callable[[Any], dict[str, Any]]) -> Any:
    return lambda *numbers, right=pieces.raised: {**right(*numbers), **change(numbers)}


# Where a fault is planted, what instead, and of which loss, mode and options it is seen.
FAULTS: dict[str, tuple[Any, str, Any, str, str, dict[str, Any]]] = {
    "the label's logit of one device": (
        rows, "of_parts", of_parts(lambda row, parts, _: [jax.lax.pmax(row.label, "classes"), *parts[1:]]),
        "cross_entropy", "in_forward", {},
    ),
    "sums not rescaled": (
        pieces, "raised", raised(lambda numbers: dict(zip(("others", "below"), numbers[1:4:2], strict=True))),
        "cross_entropy", "recompute", {},
    ),
    "squares rescaled as sums": (
        pieces, "raised",
        raised(lambda n: {"squares": jnp.exp(n[0] - n[5]) * jnp.where(n[0] < n[5], n[2] + n[4], n[4])}),
        "squared_distance", "recompute", {},
    ),
    "ties below the maximum still at it": (
        pieces, "raised", raised(lambda n: {"ties": n[2], "squares": jnp.exp(n[0] - n[5]) ** 2 * n[4]}),
        "squared_distance", "recompute", {},
    ),
    "the least maximum": (
        sweeps, "highest", lambda array, _: jax.lax.pmin(array, "classes"), "squared_distance", "in_forward", {},
    ),
    "labels counted from 0 on every device": (
        targets, "first_class", lambda *_: jax.lax.axis_index("classes") * 0, "cross_entropy", "in_forward", {},
    ),
    "padding counts": (
        sweeps, "are_classes", lambda _options, _held, at: at >= 0, "squared_distance", "in_forward", {},
    ),
    "K is what a device has": (
        sweeps, "all_classes", lambda _, held: held, "cross_entropy", "in_forward", {"label_smoothing": 0.1},
    ),
    "dX of one device": (
        sweeps, "gradient_by", lambda _, gradient: jax.lax.pmax(gradient, "classes"),
        "squared_distance", "recompute", {},
    ),
}  # fmt: skip


def compiled_anew() -> None:
    """Nothing compiled before or with a fault is used again."""
    run: Any = program.fused_loss
    run.clear_cache()


def unseen() -> Iterator[str]:
    """The faults that nothing differs by."""
    for name, (module, attribute, instead, loss, mode, options) in FAULTS.items():
        compiled_anew()
        with mock.patch.object(module, attribute, instead):
            try:
                seen = any(wrong(SPREAD, SIZES, loss, mode, **options))
            except (TypeError, ValueError) as error:  # JAX knows over which axes an array must not vary
                seen = "varying" in str(error) or "vary" in str(error)
        if not seen:
            yield f"nobody sees: {name}"
    compiled_anew()
    straight = lambda others, ties, below, squares: (ties + squares, below - squares)  # noqa: E731
    with mock.patch.object(pieces, "few", straight):
        if not any(second(tied(), "squared_distance", "recompute")):
            yield "nobody sees that R - Q has another derivative at the maximum"
    compiled_anew()


if __name__ == "__main__":
    tell(unseen())
