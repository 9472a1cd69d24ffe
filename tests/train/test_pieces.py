"""A batch in pieces is the whole batch: by values, by how many there are, and by what fills them up."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto import auto, fused, manual
from manual_vs_auto.model import Batch, Params
from manual_vs_auto.train import pieces
from manual_vs_auto.train.pieces import in_pieces, pieces_of


def test_how_many_pieces() -> None:
    assert [pieces_of(examples, 784) for examples in (0, 1, 1337, 1338, 4096, 60_000)] == [1, 1, 1, 2, 4, 48]
    for examples in range(1, 20_000, 397):
        count = pieces_of(examples, 784)
        assert -(-examples // count) <= 1337
        assert count < 2 * -(-examples // 1337)
    assert pieces_of(5003, 784) == 4  # a prime is filled up
    assert pieces_of(10, 10**7) == 10


@pytest.mark.parametrize("loss", ["squared_distance", "cross_entropy"])
@pytest.mark.parametrize("way", [manual, auto, fused], ids=["manual", "auto", "fused"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("examples", [24, 23, 13])
def test_in_pieces_is_the_whole(
    way: Any, loss: Any, dtype: str, examples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_PIECE", 4 * 6 * 5)  # five rows of six
    generator = np.random.default_rng(examples)
    images = generator.integers(0, 256, (examples, 6), dtype=np.uint8)
    labels = generator.integers(0, 4, examples, dtype=np.int32)
    batch = Batch(images, labels, jnp.asarray(generator.random(examples) < 0.8))
    params = Params(jnp.asarray(generator.normal(size=(4, 6)), dtype))
    seen = []

    def watched(params: Params, batch: Batch) -> Any:
        seen.append(batch.images.shape)
        return way.value_and_grad(loss)(params, batch)

    found, grads = jax.jit(in_pieces(watched))(params, batch)
    assert seen
    assert max(seen) <= (5, 6)
    exact = Params(np.asarray(params.weight, np.float64)), Batch(images / 255.0, labels, np.asarray(batch.weights))
    expected, by_weight = manual.value_and_grad(loss)(*exact)
    assert grads.weight.dtype == params.weight.dtype
    near = 64 * float(jnp.finfo(np.promote_types(dtype, np.float32)).eps)
    np.testing.assert_allclose(found, expected, rtol=near)
    rounded = float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(np.asarray(grads.weight, np.float64), by_weight.weight, rtol=rounded, atol=near)


def test_of_no_example_there_is_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_PIECE", 4 * 6 * 5)
    batch = Batch(np.zeros((23, 6), np.uint8), np.zeros(23, np.int32), jnp.zeros(23, bool))
    found, grads = in_pieces(manual.value_and_grad())(Params(jnp.ones((4, 6))), batch)
    assert float(found) == 0
    np.testing.assert_array_equal(grads.weight, np.zeros((4, 6)))
