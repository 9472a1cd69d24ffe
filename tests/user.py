"""A user's file: the public names, in code that strict type checking takes. `.ci/run` tries it with the wheel alone."""

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

import manual_vs_auto
from manual_vs_auto import (
    SoftmaxRegression,
    SoftmaxRegressionCV,
    auto,
    data,
    fused,
    gradcheck,
    manual,
    model,
    rules,
    train,
)
from manual_vs_auto.data import DataError, Dataset, load
from manual_vs_auto.fused import Plan, linear_softmax_loss, linear_softmax_loss_and_grad, plan
from manual_vs_auto.gradcheck import (
    Report,
    Settings,
    UsageError,
    Verdict,
    assert_custom_rule,
    assert_gradients,
    assert_jvp,
    assert_vjp,
    check_custom_rule,
    check_gradient,
    check_jvp,
    check_vjp,
)
from manual_vs_auto.model import Batch, Params, ValueAndGrad
from manual_vs_auto.rules import CROSS_ENTROPY, LINEAR, Array, Rule, compose, cross_entropy, one_hot
from manual_vs_auto.rules.cross_entropy import (
    cross_entropy_bwd,
    cross_entropy_fwd,
    cross_entropy_jacobian,
    cross_entropy_jvp,
)
from manual_vs_auto.train import Config

Vector = npt.NDArray[np.float64]


def energy(x: Vector) -> np.float64:
    return np.sum(x**2)


def energy_grad(x: Vector) -> Vector:
    return 2 * x


@jax.custom_vjp
def loss(logits: jax.Array, labels: jax.Array) -> jax.Array:
    result: jax.Array = cross_entropy(logits, labels)
    return result


loss.defvjp(cross_entropy_fwd, cross_entropy_bwd)


def learn() -> Vector:
    """A rule of the notes, composed of two."""
    rule: Rule = compose(CROSS_ENTROPY, LINEAR)
    losses, residuals = rule.fwd(np.zeros((2, 3)), np.ones(3), np.array(1))
    by_weight: Array = rule.bwd(residuals, np.ones_like(losses))[0]
    logits, targets = np.zeros(2), one_hot(np.array(1), np.zeros(2))
    slope: Vector = cross_entropy_jvp((logits, targets), (cross_entropy_jacobian(logits, targets)[0], None))
    return np.asarray(by_weight * slope, np.float64)


def judge() -> Verdict:
    """A gradient that is right, as a test would have it; no integer has one."""
    options: Settings = {"dtypes": ["float32", np.float64], "rtol": 1e-3, "effort": "quick"}
    report: Report = check_gradient(energy, energy_grad, np.array([1.0, 2.0]), argnums=0, **options)
    if report.diagnosis is not None:
        print(report.diagnosis.text)
    assert_vjp(energy, lambda ct, x: (2 * ct * x,), np.array([1.0]), probes=False, seed=1)
    assert_jvp(np.sin, lambda p, t: np.cos(p[0]) * t[0], np.array([1.0]), probes=False, atol=1e-6)
    assert_custom_rule(loss, jnp.zeros(2), jnp.array(1), probes=False)
    try:
        assert_gradients(energy, energy_grad, 3)
    except UsageError:
        return report.verdict
    return Verdict.DISAGREE


def step(params: Params, batch: Batch) -> Params:
    """One step of training, by a gradient that the type names."""
    by_hand: ValueAndGrad = manual.value_and_grad("cross_entropy")
    _, grads = by_hand(params, batch)
    return Params(params.weight - 0.1 * grads.weight)


def many_classes(weight: jax.Array, inputs: jax.Array, labels: jax.Array) -> jax.Array:
    """The loss that never holds the logits, its gradient given and taken."""
    chosen: Plan = plan(4096, 256, 32768)
    assert chosen.chunk_size < 32768
    value, (by_weight, by_inputs) = linear_softmax_loss_and_grad(weight, inputs, labels, loss="squared_distance")
    assert value.shape == ()
    assert by_weight is not None
    assert by_inputs is not None
    return linear_softmax_loss(weight, inputs, labels)


def classify(features: Vector, labels: npt.NDArray[np.int64]) -> Vector:
    """A fit to the optimum, told how good it is, and the same with its penalty chosen."""
    fitted: SoftmaxRegression = SoftmaxRegression(loss="cross_entropy", C=10.0).fit(features, labels)
    reached: float = fitted.objective_ + fitted.gradient_norm_
    assert reached < 1
    assert fitted.converged_
    chosen = SoftmaxRegressionCV(Cs=[0.1, 10.0], cv=2).set_params(tol=1e-5).fit(features, labels)
    assert chosen.C_ in chosen.Cs_
    assert chosen.score(features, labels) == 1
    return np.asarray(fitted.partial_fit(features, labels).predict_proba(features), np.float64)


def read(path: str) -> Dataset | None:
    """A data set, or None where there is none."""
    try:
        return load(path)
    except DataError:
        return None


def main() -> None:
    """All of it once."""
    np.testing.assert_allclose(learn(), [[0.25, 0.25, 0.25], [-0.25, -0.25, -0.25]], atol=1e-15)
    assert judge() is Verdict.AGREE
    assert step(Params(np.zeros((2, 3))), Batch(np.ones((1, 3)), np.array([0]))).weight[0, 0] > 0
    assert many_classes(jnp.zeros((2, 3)), jnp.ones((1, 3)), jnp.array([0])) > 0
    assert loss(jnp.zeros(2), jnp.array(1)) > 0
    line = np.linspace(-1, 1, 8)
    assert classify(line[:, None], (line > 0).astype(np.int64)).shape == (8, 2)
    assert read("no such folder") is None
    names = (auto.value_and_grad, data.load, fused.plan, gradcheck.check_jvp, model.loss, rules.softmax, train.Config)
    for part in (*names, check_custom_rule, check_jvp, check_vjp):
        assert part.__doc__
    print(manual_vs_auto.__version__, Config(epochs=1).epochs)


if __name__ == "__main__":
    main()
