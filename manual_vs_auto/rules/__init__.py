"""The notes as code: one file a rule. See `Rule` for the shape that they share."""

from manual_vs_auto.rules.chain import compose
from manual_vs_auto.rules.cross_entropy import CROSS_ENTROPY, cross_entropy
from manual_vs_auto.rules.difference import DIFFERENCE, difference
from manual_vs_auto.rules.linear import LINEAR, linear
from manual_vs_auto.rules.product import product
from manual_vs_auto.rules.rule import Array, Rule
from manual_vs_auto.rules.softmax import SOFTMAX, softmax
from manual_vs_auto.rules.softmax_squared_distance import SOFTMAX_SQUARED_DISTANCE, softmax_squared_distance
from manual_vs_auto.rules.squared_distance import SQUARED_DISTANCE, squared_distance
from manual_vs_auto.rules.targets import one_hot

# Every rule, for whoever tests or tabulates them all. The last four are made of the others: the squared
# distance by (4), the notes' whole model by (3), and the two forms of it that training uses.
RULES: tuple[Rule, ...] = (
    LINEAR,
    SOFTMAX,
    DIFFERENCE,
    SQUARED_DISTANCE,
    CROSS_ENTROPY,
    SOFTMAX_SQUARED_DISTANCE,
    product(DIFFERENCE, DIFFERENCE),
    compose(SQUARED_DISTANCE, compose(SOFTMAX, LINEAR)),
    compose(SOFTMAX_SQUARED_DISTANCE, LINEAR),
    compose(CROSS_ENTROPY, LINEAR),
)

__all__ = [
    "CROSS_ENTROPY",
    "DIFFERENCE",
    "LINEAR",
    "RULES",
    "SOFTMAX",
    "SOFTMAX_SQUARED_DISTANCE",
    "SQUARED_DISTANCE",
    "Array",
    "Rule",
    "compose",
    "cross_entropy",
    "difference",
    "linear",
    "one_hot",
    "product",
    "softmax",
    "softmax_squared_distance",
    "squared_distance",
]
