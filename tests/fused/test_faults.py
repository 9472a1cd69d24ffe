"""Faults planted in the fused loss: each must fail the comparison with the definition that the right code passes."""

from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.fused import chunks, program, rows, sweeps
from tests.fused.reference import by_autodiff, by_fused, distance, drawn, fused_program
from tests.fused.test_drawn import CLOSE

Plant = Callable[[pytest.MonkeyPatch], None]
SIZE = (7, 3, 11)
ASKED: list[dict[str, Any]] = [
    {},
    {"loss": "squared_distance"},
    {"label_smoothing": 0.2, "softcap": 2.0, "z_loss": 0.1},
    {"loss": "squared_distance", "label_smoothing": 0.2, "z_loss": 0.1, "ignore_label": 3},
]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing compiled before or with a fault is used again."""
    compiled: Any = program.fused_loss
    compiled.clear_cache()
    fused_program.cache_clear()
    yield
    compiled.clear_cache()
    fused_program.cache_clear()


def agrees() -> bool:
    """Whether loss and gradients are the definition's, in both modes, for both losses."""
    generator = np.random.default_rng(0)
    for options in ASKED:
        case = drawn(generator, *SIZE, options, np.float64)
        value, right = by_autodiff(case)
        for mode in ("in_forward", "recompute"):
            found, grads = by_fused(case, mode=mode, chunk_size=4)
            if not np.isclose(found, value, rtol=CLOSE, atol=CLOSE) or distance(grads, right) > CLOSE:
                return False
    return True


def replaced(module: Any, name: str, change: Callable[[Any], Any]) -> Plant:
    """Plant what `change` makes of module.name, wherever it is used."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        right = getattr(module, name)
        for user in (chunks, program, rows, sweeps):
            if getattr(user, name, None) is right:
                patch.setattr(user, name, change(right))

    return plant


def slopes(**changes: Callable[[Any], Any]) -> Plant:
    return replaced(
        rows,
        "slopes_of",
        lambda right: lambda *a: (s := right(*a))._replace(**{k: f(getattr(s, k)) for k, f in changes.items()}),
    )


def all_fresh(right: Any) -> Any:
    return lambda cut, body, axes=0: right(cut, lambda at, fresh: body(at, jnp.ones_like(fresh)), axes)


def all_fresh_fold(right: Any) -> Any:
    return lambda cut, step, init: right(cut, lambda carry, at, fresh: step(carry, at, jnp.ones_like(fresh)), init)


def row_with(**changes: Callable[[Any], Any]) -> Plant:
    def change(right: Any) -> Any:
        def wrong(*a: Any) -> Any:
            row, exponential = right(*a)
            return row._replace(**{k: f(getattr(row, k)) for k, f in changes.items()}), exponential

        return wrong

    return replaced(rows, "row_of", change)


def last_maximum(right: Any) -> Any:
    return lambda one, other: right(one, other)._replace(maximum=other.maximum)


def unscaled(right: Any) -> Any:
    return lambda one, other: right(one, other)._replace(others=one.others + other.others)


def label_at_the_edge(right: Any) -> Any:
    # The last label of a piece is taken for the next piece's.
    return property(lambda piece: right.fget(piece) & (piece.labels < piece.logits.shape[1] - 1)[:, None])


def no_share(right: Any) -> Any:
    return lambda operands, labels, shares, *rest: right(operands, labels, jnp.ones_like(shares), *rest)


def no_mean(right: Any) -> Any:
    return lambda operands, labels, shares, *rest: right(operands, labels, shares * len(labels), *rest)


def swapped(right: Any) -> Any:
    return lambda left, other, contract, *rest: right(left, other, contract, *rest) * (-1 if contract == (1, 0) else 1)


FAULTS: dict[str, Plant] = {
    "no 1/N": replaced(sweeps, "grads_by_rows", no_mean),
    "weights not applied to the gradient": replaced(sweeps, "grads_by_rows", no_share),
    "rows of the last chunk counted twice": replaced(chunks, "over", all_fresh),
    "classes of the last chunk counted twice": replaced(chunks, "fold", all_fresh_fold),
    "label at a chunk's edge": lambda patch: patch.setattr(
        rows.Piece, "is_label", label_at_the_edge(rows.Piece.is_label)
    ),
    "maximum not carried": replaced(rows, "merged", last_maximum),
    "sums not rescaled when the maximum rises": replaced(rows, "merged", unscaled),
    "label's logit lost": row_with(label=jnp.zeros_like),
    "ties not counted": row_with(ties=jnp.zeros_like, squares=lambda q: q * 0),
    "gradient at the label": slopes(at_label=lambda x: 0.999 * x),
    "gradient at the maximum": slopes(at_top=lambda x: 1.001 * x),
    "quadratic term": slopes(quadratic=lambda x: x / 2),
    "linear term": slopes(linear=lambda x: -x),
    "smoothing's constant": slopes(constant=lambda x: 0 * x),
    "sign of the inputs' gradient": replaced(sweeps, "_product", swapped),
    "softcap not taken back": replaced(sweeps, "back", lambda _: lambda gradient, *a: gradient),
    "infinite losses counted": replaced(program, "_counted", lambda _: lambda shares, losses: losses * 2),
}


def test_the_right_code_agrees() -> None:
    assert agrees()


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS[name](monkeypatch)
    assert not agrees(), name
