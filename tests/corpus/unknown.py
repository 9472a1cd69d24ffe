"""Faults whose cause the checker does not know. It says so; a wrong cause would be worse."""

UNKNOWN = frozenset(
    {
        "logdet: rule in float32 for float64",
        "solve: solves with A for A.T, symmetric sample",
        "rnn: W for W.T going back, symmetric sample",
        "quadratic form: 2 A x, symmetric sample",
        "softmax: sum over the batch, square sample",
        "layer norm: means over the whole batch, batch of one",
        "horner: times 1 + 0.1 x, sample near 0",
        "sigmoid: slope at y for x",
        "tanh: jvp with the slope at y",
        "tanh: custom rule with the slope at y, small sample",
        "sum of bumps: slope at y",
        "standardise: mean and deviation held constant",
        "cosine: gradient by the first at the second",
        "embedding: repeated rows counted once, no repeats in the sample",
        "max over rows: custom rule that gives the first of the row",
        "huber loss: clipped at 1 only from above",
        "hinge: active where it isn't, sample well within",
        "numpy: energy with + sin",
        "kalman: gain's gradient by the measurement's variance without its minus",
        "silu: s + x s for s + x s (1 - s)",
    }
)
