"""Faults whose cause the checker does not know. It says so, or says what it has seen; a wrong cause would be worse."""

FACTS = ("nonlinear", "independent", "dependent", "misplaced")
"""What is seen of a rule where its cause is not known: right of any."""

UNKNOWN = frozenset(
    {
        "softmax: sum over the batch, square sample",
        "layer norm: means over the whole batch, batch of one",
        "horner: times 1 + 0.1 x, sample near 0",
        "sum of bumps: slope at y",
        "max over rows: custom rule that gives the first of the row",
        "logdet: rule in float32 for float64",
        "numpy: energy with + sin",
    }
)
