"""Right rules of layers, in the shapes and values that are hard to check."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.corpus import functions as fn
from tests.corpus import functions_layers as nn
from tests.corpus.functions import Rule, integers, normal
from tests.corpus.item import Item

PARAMS = {"in": (normal(1, 3, 4), normal(2, 4)), "out": (normal(3, 4, 2), normal(4, 2))}

RULES: dict[str, tuple[Rule, Rule, tuple[tuple[int, ...], ...]]] = {
    "linear": (nn.linear, nn.linear_vjp, ((4, 3), (3, 2), (2,))),
    "matvec": (nn.matvec, nn.matvec_vjp, ((3, 5), (5,))),
    "softmax": (nn.softmax, nn.softmax_vjp, ((3, 5),)),
    "log-softmax": (nn.log_softmax, nn.log_softmax_vjp, ((3, 5),)),
    "logsumexp": (nn.logsumexp, nn.logsumexp_vjp, ((3, 5),)),
    "standardise": (nn.standardise, nn.standardise_vjp, ((3, 6),)),
    "layer norm": (nn.layer_norm, nn.layer_norm_vjp, ((4, 6), (6,), (6,))),
    "batch norm": (nn.batch_norm, nn.batch_norm_vjp, ((6, 3), (3,), (3,))),
    "rms norm": (nn.rms_norm, nn.rms_norm_vjp, ((3, 5), (5,))),
    "attention": (nn.attention, nn.attention_vjp, ((3, 4), (5, 4), (5, 2))),
    "conv1d": (nn.conv1d, nn.conv1d_vjp, ((2, 3, 8), (4, 3, 3))),
    "rnn": (nn.rnn, nn.rnn_vjp, ((3, 3), (3, 2), (4, 2))),
}
TWICE = ("linear", "matvec", "softmax", "log-softmax", "logsumexp", "rms norm", "attention")


def sample(seed: int, shapes: tuple[tuple[int, ...], ...], dtype: Any = np.float32) -> tuple[Any, ...]:
    return tuple(normal(seed + 7 * i, *shape, dtype=dtype) for i, shape in enumerate(shapes))


ITEMS: list[Item] = [
    *(Item(f"{n}: vjp", "vjp", f, rule, sample(i, s)) for i, (n, (f, rule, s)) in enumerate(RULES.items())),
    *(
        Item(f"{n}: vjp, float64", "vjp", f, rule, sample(i + 50, s, np.float64))
        for i, (n, (f, rule, s)) in enumerate(RULES.items())
    ),
    *(
        Item(f"{n}: custom vjp", "custom", fn.with_vjp(f, rule), None, sample(i + 90, s))
        for i, (n, (f, rule, s)) in enumerate(RULES.items())
        if n in TWICE
    ),
    Item("linear: jvp", "jvp", nn.linear, nn.linear_jvp, sample(1, RULES["linear"][2])),
    Item("softmax: jvp", "jvp", nn.softmax, nn.softmax_jvp, sample(2, RULES["softmax"][2])),
    Item(
        "softmax: custom jvp under vmap",
        "custom",
        jax.vmap(fn.with_jvp(nn.softmax, nn.softmax_jvp)),
        None,
        (normal(5, 3, 4),),
    ),
    Item(
        "softmax: custom vjp under vmap and jit",
        "custom",
        jax.jit(jax.vmap(fn.with_vjp(nn.softmax, nn.softmax_vjp))),
        None,
        (normal(6, 3, 4),),
    ),
    Item("linear: batch of one", "vjp", nn.linear, nn.linear_vjp, sample(3, ((1, 3), (3, 2), (2,)))),
    Item("linear: one example of one feature", "vjp", nn.linear, nn.linear_vjp, sample(4, ((1, 1), (1, 2), (2,)))),
    Item("linear: empty batch", "vjp", nn.linear, nn.linear_vjp, sample(5, ((0, 3), (3, 2), (2,)))),
    Item("softmax: saturated", "vjp", nn.softmax, nn.softmax_vjp, (normal(7, 3, 5, scale=100),)),
    Item("softmax: a row of equals", "vjp", nn.softmax, nn.softmax_vjp, (np.full((2, 4), 3, np.float32),)),
    Item("log-softmax: saturated", "vjp", nn.log_softmax, nn.log_softmax_vjp, (normal(8, 3, 5, scale=100),)),
    Item("logsumexp: large values", "vjp", nn.logsumexp, nn.logsumexp_vjp, (normal(9, 3, 5, scale=1e4),)),
    Item("logsumexp: one value a row", "vjp", nn.logsumexp, nn.logsumexp_vjp, (normal(10, 4, 1),)),
    Item(
        "logsumexp: that of jax.nn, of a vector",
        "vjp",
        lambda x: jax.nn.logsumexp(x),
        lambda ct, x: (ct * nn.softmax(x),),
        (normal(11, 5),),
    ),
    Item("rms norm: values of 1e6", "vjp", nn.rms_norm, nn.rms_norm_vjp, (normal(12, 3, 5, scale=1e6), normal(13, 5))),
    Item("mlp: a dict of tuples", "vjp", nn.mlp, nn.mlp_vjp, (PARAMS, normal(14, 5, 3))),
    Item("mlp: custom vjp of a tree", "custom", fn.with_vjp(nn.mlp, nn.mlp_vjp), None, (PARAMS, normal(15, 5, 3))),
    Item(
        "mlp: gradient of the sum by a tree",
        "gradient",
        lambda params, x: jnp.sum(nn.mlp(params, x)),
        lambda params, x: nn.mlp_vjp(jnp.ones((x.shape[0], params["out"][1].shape[0]), x.dtype), params, x)[0],
        (PARAMS, normal(16, 5, 3)),
    ),
    Item(
        "embedding: repeated rows",
        "vjp",
        nn.embedding,
        nn.embedding_vjp,
        (normal(17, 6, 3), np.array([1, 1, 4, 1], np.int32)),
    ),
    Item(
        "embedding: a grid of indices", "vjp", nn.embedding, nn.embedding_vjp, (normal(18, 6, 3), integers(19, 6, 2, 3))
    ),
    Item(
        "embedding: None for the indices",
        "vjp",
        nn.embedding,
        lambda ct, table, ids: (*nn.embedding_vjp(ct, table, ids), None),
        (normal(20, 6, 3), integers(21, 6, 4)),
    ),
    Item(
        "embedding: custom vjp, None for the indices",
        "custom",
        fn.with_vjp(nn.embedding, lambda ct, table, ids: (*nn.embedding_vjp(ct, table, ids), None)),
        None,
        (normal(22, 6, 3), integers(23, 6, 4)),
    ),
    Item(
        "self-attention: one argument used thrice",
        "vjp",
        lambda x: nn.attention(x, x, x),
        lambda ct, x: (sum(nn.attention_vjp(ct, x, x, x)),),
        (normal(24, 4, 3),),
    ),
    Item(
        "residual block",
        "vjp",
        lambda w, x: x + jnp.tanh(w @ x),
        lambda ct, w, x: (jnp.outer(d := ct * fn.d_tanh(w @ x), x), ct + w.T @ d),
        (normal(25, 3, 3), normal(26, 3)),
    ),
]
