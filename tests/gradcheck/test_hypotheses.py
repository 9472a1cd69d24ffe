"""Every hypothesis alone: on observations that are made as it says, it explains them; on right ones nothing does."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from manual_vs_auto.gradcheck.claims.arguments import Leaf
from manual_vs_auto.gradcheck.engines.engine import Found
from manual_vs_auto.gradcheck.explain import elsewhere, factors, hypotheses, places, slopes
from manual_vs_auto.gradcheck.explain.hypotheses import Hypothesis
from manual_vs_auto.gradcheck.explain.observation import Observation, Tolerance

Change = Callable[[np.ndarray], np.ndarray]
CLOSE = Tolerance(1e-9)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def observations(change: Change, shape: tuple[int, ...] = (3, 4)) -> list[Observation]:
    """Of a rule that changes the right derivative so; f is x^2, the cotangents are 1."""
    drawn = normal(8, *shape)
    return [Observation([x], [np.ones(shape)], [change(2 * x)], [2 * x]) for x in drawn]


def explaining(guesses: Iterator[Hypothesis], made: list[Observation]) -> list[tuple[str, str]]:
    """Kind and text of those that explain every observation."""
    return [
        (guess.kind, guess.text) for guess in guesses
        if all(CLOSE.same(e.manual[0], guess.predict(e, 0)) for e in made)
    ]  # fmt: skip


RESULTS: dict[str, tuple[Change, str]] = {
    "sign": (lambda a: -a, "turned round"),
    "detached": (lambda a: 0 * a, "constant"),
    "factor": (lambda a: 1.7 * a, "1.7 times"),
    "transpose": (lambda a: a.T, "is the transpose"),
    "roll": (lambda a: np.roll(a, 1, 1), "shifted by 1 along axis 1"),
    "axis": (lambda a: np.broadcast_to(a.sum(0), a.shape), "summed over axis 0"),
    "clip": (lambda a: np.clip(a, -0.3, 0.3), "0.3"),
    "offset": (lambda a: a + 0.25, "0.25"),
}


@pytest.mark.parametrize(
    ("power", "words"),
    [(0.5, ": the square root of"), (-0.5, ": one over the square root of"), (0.25, "at another size")],
)
def test_a_scale_by_the_root_of_a_size_is_called_so(power: float, words: str) -> None:
    def scaled(right: np.ndarray) -> np.ndarray:
        return np.asarray(right.shape[1] ** power * right)

    first, other = (observations(scaled, (3, size))[0] for size in (4, 5))
    kind, text = hypotheses.factor_elsewhere("it is c times the right one", first, other, 0) or ("", "")
    assert kind == "factor"
    assert words in text


@pytest.mark.parametrize("kind", RESULTS)
def test_what_became_of_the_result(kind: str) -> None:
    change, said = RESULTS[kind]
    made = observations(change, (4, 4))
    assert any(
        k == kind and said in text for k, text in explaining(hypotheses.of_result(made, 0, ["x"], CLOSE.same), made)
    )


def test_one_that_stands_for_another_is_not_exchanged_with_it() -> None:
    a, b = normal(2, 8, 3)
    # Nobody's right derivative is autodiff's to the last digit.
    alone = [Observation([x, y], [], [y, y * (1 + 1e-15)], [x, y]) for x, y in zip(a, b, strict=True)]
    both = [Observation([x, y], [], [y, x], [x, y]) for x, y in zip(a, b, strict=True)]
    assert ("swapped", "it is the one of b") in explaining(
        hypotheses.of_result(alone, 0, ["a", "b"], CLOSE.same), alone
    )
    assert ("swapped", "the ones of a and b are exchanged") in explaining(
        hypotheses.of_result(both, 0, ["a", "b"], CLOSE.same), both
    )


def test_places_and_regions_are_told_apart() -> None:
    entry = observations(lambda a: np.where(np.arange(a.size).reshape(a.shape) == 5, 0, a))
    assert explaining(places.of_places(entry, 0), entry) == [("entry", "element (1, 1) is zero")]
    half = observations(lambda a: np.maximum(a, 0))
    assert [kind for kind, _ in explaining(places.of_regions(half, 0, 0, "x"), half)] == ["mask"]
    assert list(places.of_places(half, 0)) == []


def test_a_region_of_one_point_is_said_to_be_one() -> None:
    drawn = normal(8, 6) * (np.arange(6) % 2)
    made = [Observation([x], [], [np.where(x == 0, 1, x)], [x]) for x in drawn]
    found = explaining(places.of_regions(made, 0, 0, "x"), made)
    assert [kind for kind, _ in found] == ["value"]
    assert found[0][1].startswith("it is wrong where x is 0")


def test_one_factor_an_input_or_an_index_is_a_scale() -> None:
    whole = [
        Observation(e.arrays, [], [a * e.manual[0]], e.reference)
        for a, e in zip(range(1, 9), observations(lambda a: a), strict=True)
    ]
    assert explaining(places.of_sizes(whole, [0]), whole)[0][0] == "scale"
    rows = observations(lambda a: a / np.linalg.norm(a, axis=1, keepdims=True))
    found = explaining(places.of_sizes(rows, [0]), rows)
    assert [kind for kind, _ in found] == ["scale"]
    assert "index of axis 0" in found[0][1]
    single = [Observation([e.arrays[0][:1, :1]], [], [e.manual[0][:1, :1]], [e.reference[0][:1, :1]]) for e in rows]
    assert list(places.of_sizes(single, [0])) == []  # one number is always a factor times another


def test_an_outer_product_has_no_factor_an_index() -> None:
    """Whatever stands for u in u v^T is a factor an index times u: that is no count and no norm."""
    made = [
        Observation([u, v], [], [np.outer(wrong, v)], [np.outer(u, v)])
        for u, v, wrong in (normal(3, 4, seed=seed) for seed in range(8))
    ]
    assert [kind for kind, _ in explaining(places.of_sizes(made, [0]), made)] == ["outer"]


ARGUMENTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "a factor x is too many": lambda x, w: x,
    "a factor x is missing": lambda x, w: 1 / x,
    "a factor w is missing": lambda x, w: 1 / w,
    "a factor w^2 is too many": lambda x, w: w**2,
    "a factor log x is missing": lambda x, w: 1 / np.log(x),
    "a factor (1 - x) is too many": lambda x, w: 1 - x,
}


@pytest.mark.parametrize("text", ARGUMENTS)
def test_a_factor_that_is_an_argument(text: str) -> None:
    made = []
    for seed in range(8):
        x, w = np.exp(normal(3, 4, seed=seed)), np.exp(normal(seed=seed + 20))
        made.append(Observation([x, w], [], [np.sin(x) * ARGUMENTS[text](x, w)], [np.sin(x)]))
    names = [leaf("x"), leaf("w")]
    assert explaining(factors.of_arguments(made, 0, names, CLOSE.same), made) == [("argument", text)]
    right = [Observation(e.arrays, [], e.reference, e.reference) for e in made]
    assert list(factors.of_arguments(right, 0, names, CLOSE.same)) == []


COTANGENTS: dict[str, tuple[Change, str]] = {
    "cotangent": (np.abs, "absolute value"),
    "first": (
        lambda s: np.broadcast_to(s[:1], s.shape),
        "the first entry of the cotangent along axis 0 stands for all",
    ),
    "axis": (lambda s: np.broadcast_to(s.mean(1, keepdims=True), s.shape), "averaged over axis 1"),
    "roll": (lambda s: s[::-1], "runs backwards along axis 0"),
    "transpose": (lambda s: s.T, "transposed"),
}


@pytest.mark.parametrize("kind", COTANGENTS)
def test_what_became_of_the_cotangent(kind: str) -> None:
    change, said = COTANGENTS[kind]
    ct = normal(3, 3)
    found = [
        (k, t)
        for k, t, edited in hypotheses.of_cotangent([ct], "cotangent", 1.0)
        if np.array_equal(edited[0], change(ct))
    ]
    assert len(found) == 1
    assert found[0][0] == kind
    assert said in found[0][1]


def test_one_of_several_cotangents_may_have_the_wrong_sign() -> None:
    one, two = normal(2, 3)
    found = {text: edited for _, text, edited in hypotheses.of_cotangent([one, two], "cotangent", 1.0)}
    np.testing.assert_array_equal(found["the cotangent of output 1 has the wrong sign"], [one, -two])
    np.testing.assert_array_equal(found["the cotangent of output 0 is ignored"], [0 * one, two])


JACOBIANS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "it is J ct where J^T ct belongs: the Jacobian is not transposed": lambda j, s: j @ s,
    "only the diagonal of the Jacobian is used": lambda j, s: np.diag(j) * s,
    "the diagonal of the Jacobian is missing": lambda j, s: (j - np.diag(np.diag(j))).T @ s,
    "only the Jacobian's lower triangle is used": lambda j, s: np.tril(j).T @ s,
}


@pytest.mark.parametrize("text", JACOBIANS)
def test_what_became_of_the_jacobian(text: str) -> None:
    j, s = normal(4, 4), normal(4, seed=1)
    found = [t for _, t, made in hypotheses.of_jacobian(j, s) if np.allclose(made, JACOBIANS[text](j, s))]
    assert found == [text]


def leaf(name: str, dtype: str = "float64") -> Leaf:
    return Leaf(name, 0, dtype, dtype == "float64")


def result(arrays: Found) -> np.ndarray:
    """A derivative by x, [3, 3], that depends on everything: x, a weight w, a mask, another y and probabilities p."""
    x, w, mask, y, p = arrays
    return np.asarray(np.exp(x) @ np.diag(w) * (1 + mask) + y.T + p)


POINTS: dict[str, Callable[[Found], Found]] = {
    "w is forgotten: it is the derivative where w is 1": lambda a: [a[0], np.ones(3), *a[2:]],
    "mask is forgotten: it is the derivative where mask is 1": lambda a: [*a[:2], np.ones_like(a[2]), *a[3:]],
    "it is the derivative where y is 0": lambda a: [*a[:3], 0 * a[3], a[4]],
    "it is the derivative at the output, where the one at x belongs": lambda a: [np.tanh(a[0]), *a[1:]],
    "it is the derivative where y is transposed": lambda a: [*a[:3], a[3].T, a[4]],
    "it is the derivative where w runs backwards along axis 0": lambda a: [a[0], a[1][::-1], *a[2:]],
    "it is the derivative where w is shifted by 1 along axis 0": lambda a: [a[0], np.roll(a[1], 1), *a[2:]],
    "it is the derivative where y runs backwards along its last two axes": lambda a: [*a[:3], a[3][::-1, ::-1], a[4]],
    "it is the derivative where mask is turned round, 0 for 1": lambda a: [*a[:2], 1 - a[2], *a[3:]],
    "it is the derivative where mask is smaller by one": lambda a: [*a[:2], a[2] - 1, *a[3:]],
    "it is the derivative where mask is shifted by 1 along axis 1": lambda a: [*a[:2], np.roll(a[2], 1, 1), *a[3:]],
    "it is the derivative where p is 1 - p": lambda a: [*a[:4], 1 - a[4]],
    "it is the derivative at x rounded to float16": lambda a: [a[0].astype(np.float16).astype(float), *a[1:]],
    "it is the derivative at |x|": lambda a: [np.abs(a[0]), *a[1:]],
    "it is the derivative where w is averaged over axis 0": lambda a: [a[0], np.full(3, a[1].mean()), *a[2:]],
    "it is the derivative where x and y are exchanged": lambda a: [a[3], a[1], a[2], a[0], a[4]],
    "it is the derivative where y stands for x": lambda a: [a[3], *a[1:]],
}


@pytest.mark.parametrize("text", POINTS)
def test_the_right_derivative_at_another_point(text: str) -> None:
    arrays = [normal(3, 3), normal(3, seed=1), np.array([[0, 1, 0]] * 3), normal(3, 3, seed=2), np.full(3, 0.2)]
    leaves = [leaf("x"), leaf("w"), leaf("mask", "int64"), leaf("y"), leaf("p")]
    outputs = [np.tanh(arrays[0])]
    expected = result(POINTS[text](arrays))
    every = [*elsewhere.changes(leaves, arrays, outputs, [0]), *elsewhere.exchanges(leaves, arrays)]
    found = [change.text for change in every if np.allclose(result(change.of(arrays, outputs)), expected, rtol=1e-12)]
    assert found[0] == text
    assert all("where x is 1" not in change.text for change in every)  # its own derivative


def test_a_mask_that_comes_late_is_told_from_one_that_is_forgotten() -> None:
    arrays = [np.ones(3), np.array([1, 0, 1])]
    found = list(elsewhere.changes([leaf("x"), leaf("mask", "int64")], arrays, [], [0]))
    assert [(change.kind, change.mask) for change in found if "mask" in change.text][:2] == [
        ("weight", None),
        ("order", 1),
    ]


def test_a_shift_is_found_where_there_is_one() -> None:
    x = normal(5)
    assert elsewhere.offset(lambda c: np.cos(x + c) - np.cos(x + 0.01)) == 0.01
    change = elsewhere.moved("x", 0, -0.5)
    assert change.text == "it is the derivative at x - 0.5"
    np.testing.assert_array_equal(change.of([x], [])[0], x - 0.5)
    assert elsewhere.offset(lambda _: np.zeros(3)) is None


@pytest.mark.parametrize(("own", "other"), [("gelu (erf)", "gelu (tanh)"), ("silu", "sigmoid"), ("sin", "cos")])
def test_the_slope_of_another_function(own: str, other: str) -> None:
    """Times w, which does not depend on x."""
    right, wrong = slopes.SLOPES[own], slopes.SLOPES[other]
    drawn = normal(8, 2, 6)
    made = [Observation([x, w], [np.ones(6)], [w * wrong(x)], [w * right(x)]) for x, w in drawn]
    found = explaining(slopes.of_siblings(made, 0, 0, lambda e, x: e.arrays[1] * right(x)), made)
    assert ("variant", f"the slope of {other} stands where that of {own} belongs") in found


def test_a_slope_that_is_no_siblings_is_not_named() -> None:
    made = [Observation([x], [np.ones(6)], [x**4], [np.cos(x)]) for x in normal(8, 6)]
    assert list(slopes.of_siblings(made, 0, 0, lambda _, x: np.cos(x))) == []


@pytest.mark.parametrize("name", slopes.SLOPES)
def test_every_slope_is_one(name: str) -> None:
    """Its integral over small steps is what NumPy or math says, where they have the function."""
    functions: dict[str, Change] = {
        "exp": np.exp, "exp2": np.exp2, "log": np.log, "log1p": np.log1p, "log2": np.log2, "log10": np.log10,
        "sqrt": np.sqrt, "1 / sqrt": lambda x: x**-0.5, "1 / x": lambda x: 1 / x, "x^2": np.square,
        "x^3": lambda x: x**3, "|x|": np.abs, "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh,
        "cosh": np.cosh, "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan, "arcsinh": np.arcsinh,
        "arctanh": np.arctanh, "tanh": np.tanh, "softplus": lambda x: np.logaddexp(x, 0),
        "log cosh": lambda x: np.log(np.cosh(x)), "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "log sigmoid": lambda x: -np.logaddexp(-x, 0), "softsign": lambda x: x / (1 + np.abs(x)),
        "silu": lambda x: x / (1 + np.exp(-x)), "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
        "gelu (x sigmoid(1.702 x))": lambda x: x / (1 + np.exp(-1.702 * x)),
        "gelu (tanh)": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    }  # fmt: skip
    x = np.array([0.11, 0.37, 0.83])
    if name in functions:
        # A central difference of order h^2, with h = 1e-6.
        slope = (functions[name](x + 1e-6) - functions[name](x - 1e-6)) / 2e-6
        np.testing.assert_allclose(slopes.SLOPES[name](x), slope, rtol=1e-8)
    assert np.all(np.isfinite(slopes.SLOPES[name](x + 1 if name == "arccosh" else x)))


@pytest.mark.parametrize(("term", "wrong"), [("g'", np.tanh), ("g", lambda x: x / np.cosh(x) ** 2)])
def test_one_term_of_a_product(term: str, wrong: Change) -> None:
    """x tanh(x)."""
    made = []
    for x, ct in normal(8, 2, 5):
        right = ct * (np.tanh(x) + x / np.cosh(x) ** 2)
        made.append(Observation([x], [ct], [ct * wrong(x)], [right]))
    found = explaining(slopes.of_products(made, 0, 0, lambda e: [e.arrays[0] * np.tanh(e.arrays[0])]), made)
    assert [(kind, text.partition("the term of ")[2]) for kind, text in found] == [("term", f"{term} is missing")]


def test_a_slope_that_is_written_for_the_result() -> None:
    """1 - x^2 for 1 - tanh(x)^2, as seen by differences."""
    made = [
        Observation([x], [w], [w * (1 - x**2)], [w / np.cosh(x) ** 2 * (1 + 1e-7)]) for x, w in (0.5 * normal(8, 2, 6))
    ]

    def right_at(e: Observation, x: np.ndarray) -> np.ndarray:
        return np.asarray(e.cotangents[0] / np.cosh(x) ** 2)

    guesses = list(slopes.of_siblings(made, 0, 0, right_at, 1e-6))
    assert (guesses[0].kind, guesses[0].text) == (
        "slope", "the slope of tanh, as it is written for its result, is taken at the argument"
    )  # fmt: skip
    for e in made:
        np.testing.assert_allclose(guesses[0].predict(e, 0), e.manual[0], rtol=1e-6)


def test_a_region_of_a_difference() -> None:
    """A corner of a loss lies where two arguments are so far apart."""
    made = []
    for x, t in normal(12, 2, 6):
        right = np.clip(x - t, -0.5, 0.5)
        made.append(Observation([x, t], [], [np.where(np.abs(x - t) < 0.5, 3 * right, right)], [right]))
    found = explaining(places.of_regions(made, 0, 0, "x", (1, "t")), made)
    assert [kind for kind, _ in found] == ["one_side"]
    assert "wrong where |x - t| < 0." in found[0][1]
    assert ": 3 times the right one there" in found[0][1]
