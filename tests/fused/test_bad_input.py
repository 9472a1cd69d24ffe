"""What can't be meant is refused, and the words say which shapes and which choice."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.fused import linear_softmax_loss, linear_softmax_loss_and_grad, plan

GOOD: dict[str, Any] = {"weight": jnp.zeros((5, 3)), "inputs": jnp.zeros((4, 3)), "labels": jnp.arange(4)}
NUMBERS = ("label_smoothing", "softcap", "z_loss", "temperature")
BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"inputs": jnp.zeros((4, 2))}, ValueError, r"inputs \(4, 2\) .* weight \[K, D\] \(5, 3\)"),
    ({"inputs": jnp.zeros(())}, ValueError, r"inputs \(\) .*\(5, 3\)"),
    ({"weight": jnp.zeros((5,))}, ValueError, r"weight \(5,\) must have the shape \[K, D\]"),
    ({"weight": jnp.zeros((0, 3))}, ValueError, r"weight \(0, 3\) .* at least one class"),
    ({"labels": jnp.arange(3)}, ValueError, r"labels \(3,\) .* inputs \(4, 3\)"),
    ({"labels": jnp.zeros((4, 5), int)}, ValueError, r"labels \(4, 5\) .* inputs \(4, 3\)"),
    ({"labels": jnp.zeros(4)}, TypeError, r"labels must be integers.* or targets \(4, 5\).* float64 \(4,\)"),
    ({"labels": jnp.zeros(4, bool)}, TypeError, "labels must be integers.* bool"),
    ({"labels": jnp.array([0, 5, 1, 7])}, ValueError, r"2 of labels \(4,\) are outside 0..4; the first is 5"),
    ({"labels": jnp.array([0, -1, 1, -2]), "ignore_label": -1}, ValueError, r"1 of .* or ignore_label -1; .* -2"),
    ({"weight": jnp.zeros((5, 3), int)}, TypeError, r"weight must be floating .*, not int64 \(5, 3\)"),
    ({"inputs": jnp.zeros((4, 3), complex)}, TypeError, "inputs must be floating"),
    ({"bias": jnp.zeros(4)}, ValueError, r"bias \(4,\) .* \(5, 3\)"),
    ({"bias": jnp.zeros(5, int)}, TypeError, "bias must be floating"),
    ({"sample_weight": jnp.ones(3)}, ValueError, r"sample_weight \(3,\) .* labels \(4,\)"),
    ({"loss": "hinge"}, ValueError, "loss must be one of .*'squared_distance'.* not 'hinge'"),
    ({"reduction": "max"}, ValueError, "reduction must be one of"),
    ({"mode": "fast"}, ValueError, "mode must be one of"),
    ({"mode": "in_forward", "reduction": "none"}, ValueError, "use mode='recompute' or 'auto'"),
    ({"chunk_size": 0}, ValueError, "chunk_size must be at least 1, or 'auto', not 0"),
    ({"chunk_size": 2.0}, TypeError, "chunk_size must be a whole number"),
    ({"chunk_size": True}, TypeError, "chunk_size must be a whole number"),
    ({"label_smoothing": 1.5}, ValueError, "label_smoothing must be within 0..1, not 1.5"),
    ({"label_smoothing": float("nan")}, ValueError, "label_smoothing must be within 0..1"),
    ({"label_smoothing": jnp.array(1.1)}, ValueError, "label_smoothing must be within 0..1"),
    ({"temperature": jnp.array([1.0])}, TypeError, r"temperature must be one floating number, not float64 \(1,\)"),
    ({"temperature": 0}, ValueError, "temperature must be finite and above 0, not 0"),
    ({"z_loss": jnp.array(1)}, TypeError, "z_loss must be one floating number, not int64"),
    ({"transposed": 1}, TypeError, "transposed must be True or False, not 1"),
    ({"transposed": True}, ValueError, r"inputs \(4, 3\) .* D of weight \[D, K\] \(5, 3\); transposed=False takes"),
    ({"weight": jnp.zeros((3, 5))}, ValueError, r"weight \[K, D\] \(3, 5\); transposed=True takes it the other way"),
    ({"aux": "entropy"}, ValueError, "aux must be a tuple of names among .*'entropy'.* not 'entropy'"),
    ({"aux": ("accuracy",)}, ValueError, "aux must be a tuple of names among"),
    ({"class_weight": jnp.ones(4)}, ValueError, r"class_weight \(4,\) must have the shape \[K\] .* \(5, 3\)"),
    ({"class_weight": jnp.ones(5, bool)}, TypeError, "class_weight must be floating"),
    ({"sample_weight": jnp.ones(4, int)}, TypeError, "sample_weight must be floating"),
    ({"sample_weight": jnp.ones(3, bool)}, ValueError, r"sample_weight \(3,\) .* labels \(4,\)"),
    (
        {"labels": jnp.zeros((4, 4))},
        TypeError,
        r"labels must be integers \(4,\), or targets \(4, 5\) .* float64 \(4, 4\)",
    ),
    ({"labels": jnp.zeros((4, 5), jnp.float8_e4m3fn)}, TypeError, "labels must be floating .*float8"),
    ({"labels": jnp.zeros((4, 5)), "ignore_label": 1}, ValueError, "ignore_label is for integer labels"),
    ({"label_probabilities": jnp.ones((4, 2))}, ValueError, r"labels \(4,\) must be \(4,\) and one axis more"),
    (
        {"labels": jnp.zeros((4, 2)), "label_probabilities": jnp.ones((4, 2))},
        TypeError,
        "labels must be integers where",
    ),
    (
        {"labels": jnp.zeros((4, 2), int), "label_probabilities": jnp.ones((4, 3))},
        ValueError,
        r"label_probabilities \(4, 3\) must have the shape of labels \(4, 2\)",
    ),
    ({"softcap": 0.0}, ValueError, "softcap must be finite and above 0"),
    ({"softcap": "30"}, TypeError, "softcap must be a number"),
    ({"z_loss": -1.0}, ValueError, "z_loss must be finite and not negative"),
    ({"ignore_label": 1.0}, TypeError, "ignore_label must be a whole number"),
    ({"weight": [[0.0]]}, TypeError, "weight must be an array of JAX or NumPy, not list"),
    ({"inputs": None}, TypeError, "inputs must be an array of JAX or NumPy, not NoneType"),
    ({"weight": jnp.zeros((5, 3), jnp.float8_e4m3fn)}, TypeError, "weight must be floating .*float16.* float8_e4m3fn"),
    ({"softcap": 1e60}, ValueError, "softcap must be finite"),
    ({"z_loss": 10**400}, ValueError, "z_loss must be finite"),
    ({"accumulate_dtype": None}, ValueError, "accumulate_dtype must be float32 or float64, not None"),
    ({"accumulate_dtype": "wide"}, ValueError, "accumulate_dtype must be float32 or float64, not 'wide'"),
    ({"accumulate_dtype": jnp.bfloat16}, ValueError, "accumulate_dtype must be float32 or float64, not bfloat16"),
]


@pytest.mark.parametrize(("changed", "error", "words"), BAD, ids=lambda value: str(value)[:40])
def test_bad_input_is_refused(changed: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        linear_softmax_loss(**{**GOOD, **changed})
    if not isinstance(changed.get("labels"), jax.Array) or error is TypeError:
        traced = {**GOOD, **changed}.items()
        arrays = {name: value for name, value in traced if isinstance(value, jax.Array) and name not in NUMBERS}
        choices = {name: value for name, value in changed.items() if name not in arrays}
        with pytest.raises(error, match=words):
            jax.jit(lambda arrays: linear_softmax_loss(**arrays, **choices))(arrays)


def test_labels_closed_over_are_checked_too() -> None:
    labels = jnp.array([0, 1, 2, 5])
    with pytest.raises(ValueError, match=r"outside 0\.\.4"):
        jax.jit(lambda weight: linear_softmax_loss(weight, GOOD["inputs"], labels))(GOOD["weight"])


@pytest.mark.parametrize("wrt", ["weight", (), ("bias",), ("labels",), ("weight", "nothing")])
def test_only_what_is_there_has_a_gradient(wrt: Any) -> None:
    with pytest.raises(ValueError, match=r"wrt must be a tuple of names among \('weight', 'inputs'\)"):
        linear_softmax_loss_and_grad(**GOOD, wrt=wrt)


def test_reduction_none_has_no_one_gradient() -> None:
    with pytest.raises(ValueError, match="has a loss for each row, and no one gradient"):
        linear_softmax_loss_and_grad(**GOOD, reduction="none")


@pytest.mark.parametrize("wrt", [("weight",), ("sample_weight",), (["weight"],)])
def test_a_gradient_is_refused_as_the_loss_is(wrt: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"must be floating|wrt must be a tuple"):
        linear_softmax_loss_and_grad(**{**GOOD, "sample_weight": jnp.ones(4, int)}, wrt=wrt)


def test_a_plan_is_refused_as_the_loss_is() -> None:
    with pytest.raises(ValueError, match="chunk_size must be at least 1"):
        plan(4, 3, 5, chunk_size=-1)
    for sizes, words in (((4, 3, 0), "classes must be at least 1"), ((-1, 3, 5), "rows must be at least 0")):
        with pytest.raises(ValueError, match=words):
            plan(*sizes)
    with pytest.raises(TypeError, match="features must be a whole number"):
        plan(4, 3.0, 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="dtype must be floating"):
        plan(4, 3, 5, dtype=int)


def test_what_numpy_calls_a_number_changes_no_dtype() -> None:
    narrow = {name: GOOD[name].astype(jnp.float32) for name in ("weight", "inputs")}
    for name in ("softcap", "z_loss", "label_smoothing"):
        options: dict[str, Any] = {name: np.float64(0.5)}
        found = linear_softmax_loss(**narrow, labels=GOOD["labels"], **options)
        assert found.dtype == jnp.float32
    label: Any = np.int64(1)
    assert linear_softmax_loss(narrow["weight"], narrow["inputs"][0], label).dtype == jnp.float32


@pytest.mark.parametrize(("name", "meant"), [
    ("label_smooth", "did you mean 'label_smoothing'"), ("Mode", "did you mean 'mode'"),
    ("smaple_weight", "did you mean 'sample_weight'"), ("foo", "there are wrt, aux, loss, bias, .*, classes"),
])  # fmt: skip
def test_a_keyword_that_is_none_is_the_callers_own(name: str, meant: str) -> None:
    """It is the public function's, not that of what it calls."""
    keyword: dict[str, Any] = {name: 1}
    with pytest.raises(TypeError, match=rf"linear_softmax_loss_and_grad\(\) has no keyword argument '{name}': {meant}"):
        linear_softmax_loss_and_grad(**GOOD, **keyword)
    with pytest.raises(TypeError, match=f"linear_softmax_loss.* '{name}'"):
        linear_softmax_loss(**GOOD, **keyword)
    with pytest.raises(TypeError, match=rf"plan\(\) has no keyword argument '{name}'"):
        plan(1, 2, 3, **keyword)
