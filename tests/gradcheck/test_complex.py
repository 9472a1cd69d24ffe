"""Complex numbers: the boundary where they become pairs of real ones, both conventions, rules right and wrong."""

import re
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from manual_vs_auto.gradcheck import UsageError, Verdict, check_custom_rule, check_gradient, check_vjp
from manual_vs_auto.gradcheck.claims.arguments import inputs_of
from manual_vs_auto.gradcheck.claims.complex import element, join, split
from manual_vs_auto.gradcheck.claims.errors import Refused
from manual_vs_auto.gradcheck.claims.outputs import Outputs
from manual_vs_auto.gradcheck.explain.hypotheses import number, ratio
from manual_vs_auto.gradcheck.explain.literal import array
from tests.corpus import complex as corpus
from tests.corpus.item import Item, as_parameters
from tests.corpus.judging import judge

EDGES = np.array([complex(-1.0, 0.0), complex(-1.0, -0.0), complex(np.inf, 0.0), complex(0.0, np.nan)])


@pytest.mark.parametrize("item", as_parameters(corpus.RIGHT, 12))
def test_a_right_derivative_agrees(item: Item) -> None:
    report = judge(item)
    assert report.verdict is Verdict.AGREE, str(report)


@pytest.mark.parametrize("item", as_parameters(corpus.FAULTS, 12))
def test_a_wrong_derivative_disagrees(item: Item) -> None:
    report = judge(item)
    assert report.verdict is (Verdict.SPECIAL if item.special else Verdict.DISAGREE), str(report)
    assert report.diagnosis is not None
    assert report.minimal is not None
    assert report.diagnosis.kind in (item.causes or ("unknown",)), str(report)


def test_a_complex_array_is_a_pair_of_real_ones_and_comes_back() -> None:
    """Zeros keep their sign, which tells the sides of a cut; traced ones are the same; single numbers are arrays."""
    for dtype, real in (("complex64", "float32"), ("complex128", "float64")):
        whole = EDGES.astype(dtype)
        pair = split(whole)
        assert (pair.dtype, pair.shape) == (real, (4, 2))
        assert join(pair).tobytes() == whole.tobytes()
        assert str(join(pair).dtype) == str(jax.jit(join)(pair).dtype) == dtype
        np.testing.assert_array_equal(jax.jit(join)(pair), whole)
        np.testing.assert_array_equal(jax.jit(lambda z: join(split(z, True), True))(whole), whole)
        np.testing.assert_array_equal(join(pair, conjugate=True), whole.conj())
    np.testing.assert_array_equal(split(np.float32(2.0)), [2.0, 0.0])
    np.testing.assert_array_equal(split(1 - 2j, conjugate=True), [1.0, 2.0])
    assert join(split(np.array(1j))).shape == ()


def test_a_complex_step_is_refused_where_numbers_are_complex() -> None:
    with pytest.raises(Refused, match="complex already"):
        join(np.ones((3, 2)) * 1j)
    f = Outputs(lambda x: (jnp.exp(1j * x), x), inputs_of(np.sin, (np.ones(3),), None))
    assert [a.shape for a in f([np.ones(3)])] == [(3, 2), (3,)]
    assert f.complex == [True, False]
    with pytest.raises(Refused, match="outputs are complex"):
        f([np.ones(3) + 1j])


def test_arguments_come_back_as_the_author_gave_them() -> None:
    """Inside there are pairs; f sees what he gave: a Python number, complex64 and complex128."""
    args = ({"z": np.ones((2, 3), np.complex64), "x": np.ones(3, np.float32)}, 1 + 2j, np.array([1j]))
    inputs = inputs_of(lambda params, scale, held: None, args, (0, 1))
    assert [(leaf.name, leaf.dtype, leaf.complex, leaf.moves) for leaf in inputs.leaves] == [
        ("params['x']", "float32", False, True), ("params['z']", "float32", True, True),
        ("scale", "float64", True, True), ("held", "float64", True, False),
    ]  # fmt: skip
    assert [a.shape for a in inputs.sample] == [(3,), (2, 3, 2), (2,), (1, 2)]
    outer = [leaf.outer(a.shape) for leaf, a in zip(inputs.leaves, inputs.sample, strict=True)]
    assert outer == [(3,), (2, 3), (), (1,)]
    params, scale, held = inputs.unpack(inputs.sample)
    assert (params["z"].dtype, params["x"].dtype, held.dtype) == (np.complex64, np.float32, np.complex128)
    assert isinstance(scale, complex)
    assert scale == 1 + 2j
    tangents = inputs.tangents([np.zeros(3), np.zeros((2, 3, 2)), np.ones(2)])
    assert (tangents[1], tangents[2]) == (1 + 1j, 0)


def test_elements_have_the_names_that_their_author_knows() -> None:
    assert element("W", (0, 1), False) == "W[0, 1]"
    assert element("W", (0, 1, 1), True) == "W[0, 1].imag"
    assert element("z", (0,), True) == "z.real"
    assert element("x", (), False) == "x"


def test_literals_of_complex_arrays() -> None:
    assert array(np.array([1 - 2j, 0.5j]), "jnp") == "jnp.array([1.-2.j, 0.+0.5j], jnp.complex128)"
    for a in (EDGES.astype(np.complex64), np.array(1e-3 + 2j), np.full((9, 9), 1j)):
        np.testing.assert_array_equal(eval(array(a), {"np": np}), a)


def test_factors_of_complex_numbers() -> None:
    z = corpus.WIDE
    assert [number(ratio(c * z, z)) for c in (1, -1j, 0.5 + 2j, 1j)] == ["1", "-i", "0.5+2i", "i"]
    assert number(1 - 1j) == "1-i"


def conjugate_forgotten(ct: Any, w: Any, x: Any) -> Any:
    return jnp.outer(ct, x), w.T.conj() @ ct


def test_what_is_said_of_a_wrong_leaf() -> None:
    """The element and its part by name, the cause, and a smallest input that shows it when it is pasted."""
    args = corpus.draw(0, 2, 2), corpus.draw(1, 2)
    report = check_vjp(lambda w, x: w @ x, conjugate_forgotten, *args)
    text = str(report)
    assert re.search(r"x\[\d\]\.(real|imag): manual", text)
    assert "x: the Jacobian is conjugated: J^H ct where J^T ct belongs" in text
    assert "complex step absent (the numbers are complex already)" in text
    assert report.minimal is not None
    printed: list[Any] = []
    exec(report.minimal.code, {"vjp_fn": conjugate_forgotten, "print": printed.append})
    remark = report.minimal.code.partition("# right: ")[2]
    right = np.array([complex(found) for found in re.findall(r"[-+]?\d[\d.]*[-+]\d[\d.]*j", remark)])
    w, x = (eval(line.partition(" = ")[2], {"jnp": jnp}) for line in report.minimal.code.splitlines()[2:4])
    cotangent = eval(report.minimal.code.partition("cotangent = ")[2].splitlines()[0], {"jnp": jnp})
    truth = jax.vjp(lambda w, x: w @ x, w, x)[1](cotangent)
    np.testing.assert_allclose(right, np.concatenate([np.ravel(g) for g in truth]), rtol=1e-6)
    assert not np.allclose(np.concatenate([np.ravel(g) for g in printed[0]]), right)


@pytest.mark.parametrize("convention", ["jax", "conjugate"])
def test_the_other_convention_is_named_with_what_declares_it(convention: Literal["jax", "conjugate"]) -> None:
    """And the right gradient that is printed is the one of the convention that was asked for."""
    other = {"jax": "conjugate", "conjugate": "jax"}[convention]
    z = np.array([1 + 2j], np.complex64)

    def wrong(z: Any) -> Any:
        return 2 * z if convention == "jax" else 2 * jnp.conj(z)

    report = check_gradient(lambda z: jnp.sum(jnp.abs(z) ** 2), wrong, z, complex_convention=convention)
    assert report.diagnosis is not None
    assert f'declare complex_convention="{other}"' in report.diagnosis.text
    assert report.minimal is not None
    assert report.minimal.short.startswith("z=[0.+1.j]")
    assert f"# right: [0.{'-' if convention == 'jax' else '+'}2.j]" in report.minimal.code


def test_a_rule_that_is_carried_has_no_other_convention_to_declare() -> None:
    item = next(item for item in corpus.FAULTS if item.name == "matmul: custom vjp with conjugates")
    report = judge(item, probes=False)
    assert "right in the conjugate convention" in str(report)
    assert "declare" not in str(report)


def test_what_a_sample_of_complex_numbers_hides() -> None:
    """A real sample hides the imaginary part; shapes in the report are the author's."""
    report = check_gradient(lambda z: jnp.sum(jnp.real(z) ** 2 + jnp.imag(z) ** 4), lambda z: 2 * z, np.ones(2) + 0j)
    assert report.verdict is Verdict.DISAGREE
    assert "z is 1+0j everywhere" in str(report)
    report = check_gradient(lambda z: jnp.sum(jnp.abs(z) ** 2), lambda z: 2 * z, np.array([1, 2.0 + 0j]))
    assert "(z is real)" in str(report)
    report = check_vjp(lambda z: 2 * z, lambda ct, z: (2 * ct,), np.array([1j, 2]), shapes=[[(3,)], [(2, 2)]])
    assert [probe.label for probe in report.probes][-2:] == ["shapes [(3,)]: (3,)", "shapes [(2, 2)]: (2, 2)"]
    assert {"on the real axis", "on the imaginary axis"} <= {probe.label for probe in report.probes}


def test_a_function_that_loses_the_imaginary_part_has_the_gradient_of_the_real_one() -> None:
    report = check_gradient(lambda z: float(np.sum(np.asarray(z) ** 2).real), lambda z: 2 * z, corpus.draw(2, 3))
    assert report.verdict is Verdict.AGREE


NOTHING: dict[str, Any] = {"None": None, "float0": np.zeros(3, jax.dtypes.float0), "real zeros": np.zeros(3)}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_is_a_derivative_of_a_complex_leaf_too(name: str) -> None:
    args = corpus.draw(3, 3), corpus.draw(4, 3)
    assert check_vjp(lambda z, w: z, lambda ct, z, w: (ct, NOTHING[name]), *args, probes=False).verdict is Verdict.AGREE
    report = check_vjp(lambda z, w: z * w, lambda ct, z, w: (ct * w, NOTHING[name]), *args, probes=False)
    assert report.diagnosis is not None
    assert report.diagnosis.kind == "detached"


def test_tensors_are_judged_in_the_convention_of_pytorch() -> None:
    """The rules of the corpus, conjugated; a Function, which torch itself calls; and no other convention for that."""
    torch = pytest.importorskip("torch")

    def turned(vjp: Any) -> Any:
        return lambda ct, *args: tuple(g.resolve_conj() for g in corpus.conjugated(vjp)(torch, ct, *args))

    for pair in corpus.PAIRS:
        if pair.name.partition(":")[0] in ("matmul", "modulus", "phase", "rfft by irfft"):
            f, args = partial(pair.f, torch), [torch.tensor(a) for a in pair.args]
            report = check_vjp(f, turned(pair.vjp), *args, effort="quick")
            assert report.verdict is (Verdict.AGREE if pair.fault is None else Verdict.DISAGREE), str(report)

    class Exp(torch.autograd.Function):  # type: ignore[misc,name-defined]
        @staticmethod
        def forward(ctx: Any, z: Any) -> Any:
            ctx.save_for_backward(z)
            return torch.exp(z)

        @staticmethod
        def backward(ctx: Any, ct: Any) -> Any:
            return ct * torch.exp(ctx.saved_tensors[0]).conj()

    z = torch.tensor(corpus.Z)
    assert check_custom_rule(Exp.apply, z, effort="quick").verdict is Verdict.AGREE
    with pytest.raises(UsageError, match="in its own convention"):
        check_custom_rule(Exp.apply, z, complex_convention="jax")
    assert check_gradient(lambda z: (z.abs() ** 2).sum(), lambda z: 2 * z, z, effort="quick").verdict is Verdict.AGREE
