"""What fit left, in other hands: NumPy, scikit-learn, PyTorch, flax, ONNX. The same probabilities."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.export import to_onnx
from manual_vs_auto.runs.model import Model, read
from tests.fit.conftest import Command, drawn

X, Y = drawn()


@pytest.fixture
def run(folder: Path, fitted: Command) -> Path:
    assert fitted("x.npy", "--labels", "y.npy", "--standardize", "--l2", 0.01, "--out", "run").returncode == 0
    return folder / "run"


@pytest.fixture
def expected(run: Path) -> Any:
    return read(run).probabilities(X)


def test_numpy(run: Path, expected: Any) -> None:
    saved = load_file(run / "model.safetensors")
    logits = (X - saved["mean"]) / saved["scale"] @ saved["weight"].T + saved["bias"]
    odds = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(odds / odds.sum(1, keepdims=True), expected, rtol=1e-9)


def test_the_readme_s_lines(run: Path, expected: Any) -> None:
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text()
    code = readme.split("# elsewhere.py\n")[1].split("```")[0]
    run.rename("best")
    np.save("new.npy", X)
    names: dict[str, Any] = {}
    exec(code, names)
    np.testing.assert_array_equal(names["logits"].argmax(1), expected.argmax(1))


def test_scikit_learn(run: Path, expected: Any) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    model = read(run)
    probe = linear.LogisticRegression()
    probe.coef_, probe.intercept_ = model.affine()
    probe.classes_ = np.arange(3)
    np.testing.assert_allclose(probe.predict_proba(X), expected, rtol=1e-9)
    assert (probe.predict(X) == expected.argmax(1)).all()


def test_pytorch(run: Path, expected: Any) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file as load_tensors

    saved = load_tensors(run / "model.safetensors")
    probe = torch.nn.Linear(*reversed(saved["weight"].shape), dtype=torch.float64)
    probe.load_state_dict({"weight": saved["weight"], "bias": saved["bias"]})
    with torch.no_grad():
        found = torch.softmax(probe((torch.from_numpy(X) - saved["mean"]) / saved["scale"]), dim=1)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


def test_flax(run: Path, expected: Any) -> None:
    nnx = pytest.importorskip("flax.nnx")
    import jax
    import jax.numpy as jnp

    weight, bias = read(run).affine()
    probe = nnx.Linear(*reversed(weight.shape), param_dtype=jnp.float64, rngs=nnx.Rngs(0))
    probe.kernel[...], probe.bias[...] = jnp.asarray(weight.T), jnp.asarray(bias)
    with jax.numpy_rank_promotion("allow"):
        found = jax.nn.softmax(probe(jnp.asarray(X, jnp.float64)))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("standardize", [True, False])
def test_onnx(run: Path, fitted: Command, predicted: Command, standardize: bool) -> None:
    onnx = pytest.importorskip("onnx")
    reference = pytest.importorskip("onnx.reference")
    flags = ("--standardize",) if standardize else ("--no-intercept",)
    done = fitted("x.npy", "--labels", "y.npy", "--l2", 0.01, *flags, "--out", "other", "--onnx", "probe.onnx")
    assert done.returncode == 0
    (found,) = reference.ReferenceEvaluator("probe.onnx").run(None, {"features": X})
    # In float32: five products and the exponentials of logits of up to ten.
    np.testing.assert_allclose(found, read(Path("other")).probabilities(X), rtol=3e-5)
    assert predicted("other", "--onnx", "again.onnx").returncode == 0
    assert Path("again.onnx").read_bytes() == Path("probe.onnx").read_bytes()
    props = {item.key: item.value for item in onnx.load("probe.onnx").metadata_props}
    assert props == {"class_names": '["0", "1", "2"]', "inputs": "features"}
    assert "--onnx none/probe.onnx can't be written" in predicted("other", "--onnx", "none/probe.onnx").error


def test_without_onnx_it_says_what_to_install(folder: Path, fitted: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is fitted."""
    monkeypatch.setitem(sys.modules, "onnx", None)
    said = "--onnx probe.onnx: the package onnx is not here: pip install onnx"
    assert said in fitted("x.npy", "--labels", "y.npy", "--onnx", "probe.onnx", "--out", "new").error
    assert not (folder / "new").exists()
    with pytest.raises(UsageError, match=said):
        to_onnx(Model(np.eye(2)), Path("probe.onnx"))
