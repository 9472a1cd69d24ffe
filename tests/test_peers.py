"""The benchmark on others' rules counts what it should: a harness that calls everything AGREE would measure nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks._peers_item import Item, lines
from benchmarks._peers_report import by_source, told
from benchmarks.peers import answer


def square(x: np.ndarray) -> np.ndarray:
    return np.asarray(x * x)


def right(ct: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, ...]:
    return (2 * x * ct,)


def wrong(ct: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, ...]:
    return (2.02 * x * ct,)


def interrupted(ct: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, ...]:
    raise RuntimeError("the peer's own")


def item(rule: Callable[..., Any], *args: Any) -> Item:
    return Item("nobody", f"square by {rule.__name__}", "vjp", square, rule, args or (np.array([0.3, -1.2, 2.0]),))


def test_a_right_rule_agrees_and_a_wrong_one_is_counted_against_the_checker() -> None:
    answers = [answer(item(right)), answer(item(wrong))]
    assert [found["verdict"] for found in answers] == ["AGREE", "DISAGREE"]
    row = by_source(answers)[-1]
    assert (row["rules"], row["AGREE"], row["DISAGREE"]) == (2, 1, 1)


def test_a_refusal_is_no_traceback() -> None:
    answers = [answer(item(right, np.arange(3))), answer(item(interrupted))]
    assert [found["verdict"] for found in answers] == ["refused", "traceback"]
    assert "the peer's own" in answers[1]["text"]


def test_what_is_not_agree_is_told_with_its_leaf_and_the_rest_is_not() -> None:
    text = told([answer(item(right)), answer(item(wrong))])
    assert "## DISAGREE, formula, at the sample: 1" in text
    assert "x[" in text
    assert "**nobody** vjp `square by wrong`" in text
    assert "**nobody** vjp `square by right`" not in text


def test_a_line_is_an_expression_with_samples_and_options() -> None:
    (line,) = lines("# a comment\n\nnp.dot(x, y) | s33 u3 | domain=[None, (0, 1)]\n")
    x, y = line.args(np.float32)
    assert x.shape == (3, 3)
    assert y.shape == (3,)
    assert x.dtype == y.dtype == np.float32
    assert np.all(np.linalg.eigvalsh(x) > 0)
    assert np.all((y > 0) & (y < 1))
    assert np.array_equal(line.function({"np": np})(x, y), x @ y)
    assert line.options == {"domain": [None, (0, 1)]}


@pytest.mark.parametrize("kind", "npuagtzwqslkbc")
def test_samples_are_what_their_letters_say_and_stay_the_same(kind: str) -> None:
    (line,) = lines(f"x | {kind}33")
    (x,), (again,) = line.args(np.float64), line.args(np.float64)
    assert np.array_equal(x, again)
    assert x.shape == (3, 3)
    assert x.dtype.kind == {"k": "i", "b": "b", "c": "c"}.get(kind, "f")
