"""Targets of every form, traced numbers, weights of classes, a weight the other way round: each by its definition."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.fused import linear_softmax_loss, linear_softmax_loss_and_grad
from tests.haste import hastily

ROOT = np.random.default_rng(11)
ROWS, FEATURES, CLASSES = 7, 3, 11
ARRAYS = {
    "weight": ROOT.normal(size=(CLASSES, FEATURES)),
    "inputs": ROOT.normal(size=(ROWS, FEATURES)),
    "bias": ROOT.normal(size=CLASSES),
    "sample_weight": ROOT.random(ROWS),
    "class_weight": ROOT.random(CLASSES),
}
LABELS = ROOT.integers(0, CLASSES, ROWS)
DENSE = ROOT.random((ROWS, CLASSES)) * (ROOT.random((ROWS, CLASSES)) > 0.3)
IDS = ROOT.integers(0, CLASSES, (ROWS, 4))  # some twice in a row
CHANCES = ROOT.random((ROWS, 4)) * np.array([1.0, 1.0, 0.0, 1.0])
LOSSES: Any = ("cross_entropy", "squared_distance")
MODES: Any = ("in_forward", "recompute")
# Sums of a few dozen terms of about 1, a few roundings each.
CLOSE: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-13}


def targets_of(labels: Any, chances: Any) -> Any:
    if chances is not None:
        return np.stack([np.bincount(i, c, minlength=CLASSES) for i, c in zip(labels, chances, strict=True)])
    return labels if labels.ndim == 2 else np.eye(CLASSES)[labels]


FORMS: dict[str, dict[str, Any]] = {
    "labels": {"labels": LABELS},
    "dense": {"labels": DENSE},
    "one-hot": {"labels": np.eye(CLASSES)[LABELS]},
    "ids": {"labels": IDS, "label_probabilities": CHANCES},
}


def defined(arrays: dict[str, Any], y: Any, options: dict[str, Any]) -> Any:
    """The loss by its definition, with a target for each class and every logit."""
    z = arrays["inputs"] @ arrays["weight"].T + arrays["bias"][None, :]
    cap, e = options.get("softcap"), options.get("label_smoothing", 0.0)
    z = (z if cap is None else cap * jnp.tanh(z / cap)) / options.get("temperature", 1.0)
    counts = arrays["sample_weight"] * jnp.sum(y * arrays["class_weight"][None, :], axis=1)
    smooth = (1 - e) * y + e / CLASSES
    log_p = jax.nn.log_softmax(z)
    if options["loss"] == "cross_entropy":
        rows = -jnp.sum(smooth * log_p, axis=1)
    else:
        rows = jnp.sum((jnp.exp(log_p) - smooth) ** 2, axis=1)
    rows = rows + options.get("z_loss", 0.0) * jax.nn.logsumexp(z, axis=1) ** 2
    return jnp.sum(counts * rows) / jnp.sum(counts)


CHOSEN: list[dict[str, Any]] = [
    {"temperature": 2.5},
    {"label_smoothing": 0.2, "softcap": 2.0, "z_loss": 0.1, "temperature": 0.5},
]


@pytest.mark.parametrize("choices", CHOSEN, ids=lambda choices: "-".join(choices) or "plain")
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_targets_is_the_definition(form: str, loss: Any, choices: dict[str, Any]) -> None:
    given = FORMS[form]
    y = targets_of(given["labels"], given.get("label_probabilities"))
    right, expected = hastily(jax.value_and_grad(lambda arrays: defined(arrays, y, {"loss": loss, **choices})), ARRAYS)

    def ours(mode: Any, arrays: Any, numbers: Any) -> Any:
        """In the second mode by a weight [D, K]. The numbers are traced here, and known in the other tests."""
        transposed = mode == "recompute"

        def loss_of(arrays: Any) -> Any:
            turned = arrays | {"weight": arrays["weight"].T if transposed else arrays["weight"]}
            options: Any = {"loss": loss, "mode": mode, "transposed": transposed, "chunk_size": 3, **numbers}
            return linear_softmax_loss(**turned, **given, **options)

        return jax.value_and_grad(loss_of)(arrays)

    both = hastily(lambda *inputs: [ours(mode, *inputs) for mode in MODES], ARRAYS, choices)
    for mode, (value, grads) in zip(MODES, both, strict=True):
        np.testing.assert_allclose(value, right, **CLOSE)
        for name, grad in grads.items():
            np.testing.assert_allclose(grad, expected[name], **CLOSE, err_msg=f"{mode} {name}")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("mode", MODES)
def test_the_second_derivative_with_targets(mode: Any, loss: Any) -> None:
    ones = {"sample_weight": np.ones(ROWS), "class_weight": np.ones(CLASSES)}
    y = DENSE / DENSE.sum(1, keepdims=True)
    weight, inputs, bias = (jnp.asarray(ARRAYS[name]) for name in ("weight", "inputs", "bias"))

    def ours(bias: Any) -> Any:
        return linear_softmax_loss(weight, inputs, jnp.asarray(y), bias=bias, loss=loss, mode=mode, chunk_size=3)

    right = hastily(jax.hessian(lambda bias: defined({**ARRAYS, **ones, "bias": bias}, y, {"loss": loss})), bias)
    np.testing.assert_allclose(hastily(jax.hessian(ours), bias), right, **CLOSE)


def test_targets_have_no_derivative_and_say_so() -> None:
    weight, inputs = jnp.asarray(ARRAYS["weight"]), jnp.asarray(ARRAYS["inputs"])
    for mode in MODES:
        with pytest.raises(TypeError, match="no derivative by targets"):
            jax.grad(lambda y, mode=mode: linear_softmax_loss(weight, inputs, y, mode=mode))(jnp.asarray(DENSE))

        def own(weight: Any, mode: Any = mode) -> Any:
            held = jax.lax.stop_gradient(jax.nn.softmax(inputs @ weight.T))
            return linear_softmax_loss(weight, inputs, held, mode=mode)

        np.testing.assert_allclose(jax.grad(own)(weight), np.zeros(weight.shape), atol=1e-15)  # p - y is 0


@pytest.mark.parametrize("form", ["labels", "dense"])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_derivative_by_a_number(loss: Any, form: str) -> None:
    given, numbers = FORMS[form], CHOSEN[-1]
    y = targets_of(given["labels"], None)
    right = hastily(
        jax.grad(lambda numbers: defined(ARRAYS, y, {"loss": loss, **numbers})), jax.tree.map(jnp.float64, numbers)
    )

    def ours(numbers: Any) -> Any:
        def loss_of(mode: Any, numbers: Any) -> Any:
            chosen: Any = {**ARRAYS, **given, "loss": loss, "mode": mode, "chunk_size": 3, **numbers}
            return linear_softmax_loss(**chosen)

        # One asked for, the others not, and all.
        one = jax.grad(lambda t: loss_of("recompute", numbers | {"temperature": t}))(numbers["temperature"])
        return [jax.grad(partial(loss_of, mode))(numbers) for mode in MODES], one

    found, one = hastily(ours, numbers)
    for grads in found:
        for name, expected in right.items():
            np.testing.assert_allclose(grads[name], expected, **CLOSE, err_msg=name)
    np.testing.assert_allclose(one, right["temperature"], **CLOSE)


@pytest.mark.parametrize("loss", LOSSES)
def test_targets_that_are_nearly_met_keep_their_digits(loss: Any) -> None:
    # Distillation at its end: p - y is 1e-4 of p. Autodiff of the definition in float32 is the measure.
    weight, inputs = (jnp.asarray(ARRAYS[name], jnp.float32) for name in ("weight", "inputs"))
    near = weight * (1 + 1e-4 * jnp.asarray(ROOT.normal(size=weight.shape), jnp.float32))
    y = jax.nn.softmax(inputs @ near.T)

    def plain(weight: Any, inputs: Any, y: Any) -> Any:
        log_p = jax.nn.log_softmax(inputs @ weight.T)
        rows = -jnp.sum(y * log_p, 1) if loss == "cross_entropy" else jnp.sum((jnp.exp(log_p) - y) ** 2, 1)
        return jnp.mean(rows)

    def error(found: Any) -> float:
        return float(np.max(np.abs(np.asarray(found, np.float64) - right)))

    right = np.asarray(jax.grad(plain)(*(np.asarray(array, np.float64) for array in (weight, inputs, y))))
    _, (ours,) = linear_softmax_loss_and_grad(weight, inputs, y, loss=loss, mode="in_forward", wrt=("weight",))
    assert error(ours) <= 4 * error(jax.grad(plain)(weight, inputs, y))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_asked_for_beside_the_loss(loss: Any, form: str) -> None:
    mode = MODES[(LOSSES.index(loss) + list(FORMS).index(form)) % 2]
    given = FORMS[form]
    y = targets_of(given["labels"], given.get("label_probabilities"))
    aux: Any = ("entropy", "argmax", "log_prob", "log_sum_exp")
    arrays: Any = {name: jnp.asarray(ARRAYS[name]) for name in ("weight", "inputs")}
    bias = jnp.asarray(ARRAYS["bias"]).at[2].set(-jnp.inf if form == "labels" and 2 not in LABELS else 0.0)
    options: Any = {"loss": loss, "mode": mode, "chunk_size": 3, "bias": bias, "temperature": 0.5, "aux": aux}
    alone, (value, found), ((again, same), _) = hastily(
        lambda: (
            linear_softmax_loss(**arrays, **given, **options | {"aux": ()}),
            linear_softmax_loss(**arrays, **given, **options),
            linear_softmax_loss_and_grad(**arrays, **given, **options),
        )
    )
    np.testing.assert_allclose([value, again], alone, **CLOSE)
    z = (arrays["inputs"] @ arrays["weight"].T + bias[None, :]) / 0.5
    log_p = jax.nn.log_softmax(z)
    right = {
        "entropy": -jnp.sum(jnp.where(log_p == -jnp.inf, 0, jnp.exp(log_p) * log_p), axis=1),
        "argmax": jnp.argmax(z, axis=1),
        "log_prob": jnp.sum(jnp.where(y == 0, 0, y * log_p), axis=1),
        "log_sum_exp": jax.nn.logsumexp(z, axis=1),
    }
    assert set(found) == set(same) == set(aux)
    assert found["argmax"].dtype == jnp.int32
    for name, expected in right.items():
        for one in (found[name], same[name]):
            np.testing.assert_allclose(one, expected, **CLOSE, err_msg=name)


def test_beside_the_loss_ties_and_rows_that_are_not_read() -> None:
    weight = jnp.zeros((5, 2)).at[1].set(1).at[4].set(1)
    inputs = jnp.array([[1.0, 2.0], [-1.0, 0.0], [jnp.nan, 1.0]]).reshape(3, 1, 2)
    counts, labels = jnp.array([[1.0], [2.0], [0.0]]), jnp.array([[1], [0], [3]])
    for mode, reduction in (("in_forward", "mean"), ("recompute", "none"), ("recompute", "sum")):
        options: Any = {"mode": mode, "reduction": reduction, "aux": ("argmax", "entropy"), "chunk_size": 2}
        _, aux = linear_softmax_loss(weight, inputs, labels, sample_weight=counts, **options)
        assert aux["argmax"].tolist() == [[1], [0], [0]]
        assert aux["entropy"].shape == (3, 1)
        assert aux["entropy"][2, 0] == 0
        _, empty = linear_softmax_loss(weight, inputs[:0], labels[:0], **options)
        assert empty["entropy"].shape == (0, 1)
        assert (aux["argmax"].dtype, empty["argmax"].dtype) == (jnp.int32, jnp.int32)


@pytest.mark.parametrize("factor", [1 / 3, 1 / 7, 3.0])
@pytest.mark.parametrize("mode", MODES)
def test_a_loss_that_is_scaled_in_bfloat16_is_scaled_as_a_whole(mode: Any, factor: float) -> None:
    generator = np.random.default_rng(0)
    weight, inputs = (jnp.asarray(generator.normal(size=size), jnp.bfloat16) for size in ((129, 64), (512, 64)))
    labels = jnp.asarray(generator.integers(0, 129, 512))

    def grad(factor: float) -> Any:
        loss = lambda weight: factor * linear_softmax_loss(weight, inputs, labels, mode=mode)  # noqa: E731
        return np.asarray(jax.grad(loss)(weight), np.float64)

    once = grad(1.0)
    ratio = np.sum(grad(factor) * once) / np.sum(once * once) / factor
    # Both are rounded to 2^-8, at random: three standard deviations of a mean that is weighted by squares.
    assert abs(ratio - 1) < 3 * 2**-8 * np.sqrt(2 * np.sum(once**4) / 3) / np.sum(once**2) < 5e-4


@pytest.mark.parametrize(("mode", "products"), [("in_forward", {"weight": 2, "inputs": 2, "bias": 1}),
                                                ("recompute", {"weight": 3, "inputs": 3, "bias": 2})])  # fmt: skip
def test_only_the_gradient_that_is_asked_for_is_computed(mode: Any, products: dict[str, int]) -> None:
    arrays: Any = {name: jnp.asarray(ARRAYS[name]) for name in ("weight", "inputs", "bias")}

    def count(wrt: tuple[str, ...]) -> int:
        run = lambda arrays: linear_softmax_loss_and_grad(labels=LABELS, **arrays, wrt=wrt, mode=mode)  # noqa: E731
        # Products of matrices: the bias's gradient is that of a matrix and a vector.
        lines = str(jax.make_jaxpr(run)(arrays)).splitlines()
        return sum("dot_general" in line and f"[{ROWS}]" not in line.split("=")[-1] for line in lines)

    text = {wrt: count((wrt,)) for wrt in products}
    assert count(("weight", "inputs")) == text["weight"] + 1 == text["inputs"] + 1


class Wrapped:
    """An array in a wrapper, as flax's parameters are."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __jax_array__(self) -> Any:
        return jnp.asarray(self.array)


def test_what_says_that_it_is_an_array_is_one() -> None:
    plain: Any = {name: jnp.asarray(ARRAYS[name]) for name in ("weight", "inputs", "bias", "sample_weight")}
    numbers: Any = {"temperature": 2.0, "z_loss": 0.1}
    wrapped: Any = {name: Wrapped(array) for name, array in {**plain, **numbers}.items()}
    right, grads = linear_softmax_loss_and_grad(labels=jnp.asarray(LABELS), **plain, **numbers)
    found, same = linear_softmax_loss_and_grad(labels=Wrapped(LABELS), **wrapped)
    np.testing.assert_allclose(found, right, **CLOSE)
    for one, other in zip(grads, same, strict=True):
        np.testing.assert_allclose(one, other, **CLOSE)
    loss: Any = linear_softmax_loss
    traced = jax.jit(lambda a: loss(labels=Wrapped(LABELS), **{name: Wrapped(x) for name, x in a.items()}))
    assert traced(plain).shape == ()


def test_one_program_for_every_value_of_a_number() -> None:
    weight, inputs, labels = (jnp.asarray(a) for a in (ARRAYS["weight"], ARRAYS["inputs"], LABELS))
    traces = []

    @jax.jit
    def loss(temperature: Any) -> Any:
        traces.append(1)
        return linear_softmax_loss(weight, inputs, labels, temperature=temperature)

    found = [float(loss(t)) for t in (1.0, 2.0)]
    expected = [float(linear_softmax_loss(weight, inputs, labels, temperature=t)) for t in (1.0, 2.0)]
    np.testing.assert_allclose(found, expected, **CLOSE)
    assert len(traces) == 1
