"""PyTorch before the same panel: torch.autograd.Function, and plain functions of tensors."""

import importlib
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch")
Function: Any = torch.autograd.Function
once_differentiable: Callable[[Any], Any] = torch.autograd.function.once_differentiable

from manual_vs_auto.gradcheck import (  # noqa: E402
    Report,
    UsageError,
    Verdict,
    check_custom_rule,
    check_gradient,
    check_jvp,
    check_vjp,
)
from manual_vs_auto.gradcheck.claims.arguments import inputs_of  # noqa: E402
from manual_vs_auto.gradcheck.claims.claim import vjp_claim  # noqa: E402
from manual_vs_auto.gradcheck.engines.torch.engine import TorchEngine, nothing_changed  # noqa: E402
from manual_vs_auto.gradcheck.pairs import pairs_in  # noqa: E402
from tests.gradcheck.pasted import pasted, wrong  # noqa: E402
from tests.gradcheck.torch_rules import RULES, function, normal  # noqa: E402

X, Y = normal(0, 3, 4), normal(1, 4)


class Product(Function):
    """Two inputs and two outputs, as it has been written from the first."""

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any, power: int = 2) -> Any:
        ctx.save_for_backward(x, y)
        ctx.power = power
        return x**power * y, x + y

    @staticmethod
    def backward(ctx: Any, first: Any, second: Any) -> Any:
        x, y = ctx.saved_tensors
        dx = first * ctx.power * x ** (ctx.power - 1) * y + second if ctx.needs_input_grad[0] else None
        dy = (first * x**ctx.power + second).sum(0) if ctx.needs_input_grad[1] else None
        return dx, dy, None


class Apart(Function):
    """The context set up apart from forward."""

    factor = 1.0

    @staticmethod
    def forward(x: Any, scale: float = 2.0) -> Any:
        return torch.sin(x) * scale

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.scale = inputs[1]

    @classmethod
    def backward(cls, ctx: Any, g: Any) -> Any:
        return cls.factor * g * torch.cos(ctx.saved_tensors[0]) * ctx.scale, None


class Halved(Apart):
    factor = 0.5


class Ranked(Function):
    """One output is marked: its gradient is nobody's business."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ordered, places = torch.sort(x)
        total = x.sum()
        ctx.mark_non_differentiable(places, total)
        ctx.save_for_backward(places)
        return ordered, places, total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Any, _places: Any, _total: Any) -> Any:
        (places,) = ctx.saved_tensors
        return torch.zeros_like(g).scatter(-1, places, g)


class Doubled(Function):
    """In place, as torch wants it said."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return 2 * g


class OutOfTorch(Function):
    """Its forward is NumPy's: nothing that autograd could differentiate."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return torch.from_numpy(np.asarray(np.exp(x.detach().numpy())))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * torch.exp(ctx.saved_tensors[0])


class Detaching(Function):
    """Detaches in its forward, where nothing is attached."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        with torch.no_grad():
            return x.detach() ** 2 + x.data

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * (2 * ctx.saved_tensors[0] + 1)


def agrees(report: Report) -> None:
    assert report.verdict is Verdict.AGREE, report


def refused(report: Report, kind: str | None = None) -> None:
    assert report.verdict is Verdict.DISAGREE, report
    assert report.diagnosis
    assert kind in (None, report.diagnosis.kind), report


@pytest.mark.parametrize("name", RULES)
def test_right_functions_agree(name: str) -> None:
    rule = RULES[name]
    agrees(check_custom_rule(function("Right", rule.forward, rule.right), *rule.args))


@pytest.mark.parametrize("name", RULES)
def test_wrong_functions_disagree_and_the_code_shows_it(name: str) -> None:
    rule = RULES[name]
    made = function("Wrong", rule.forward, rule.wrong)
    report = check_custom_rule(made, *rule.args)
    refused(report, rule.cause or None)
    # None, for an argument that a rule forgot, is no number.
    (pasted if name == "detached" else wrong)(report, Wrong=made)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_a_function_in_every_precision(dtype: Any) -> None:
    agrees(check_custom_rule(Apart, normal(2, 5, dtype=dtype)))
    refused(check_custom_rule(Halved, normal(2, 5, dtype=dtype)), "factor")


RIGHT: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "two inputs, two outputs": (Product, (X, Y)),
    "an argument that is no tensor": (Product, (X, Y, 3)),
    "one that is held": (Product, (X.clone().requires_grad_(), Y)),
    "deep in a function": (lambda x, y: torch.sin(Product.apply(x * 2, y)[0]).sum(0), (X, Y)),
    "the context apart": (Apart, (X,)),
    "a number in the arguments": (Apart, (X, 0.5)),
    "through an old handle": (lambda x, held=Apart.apply: held(x) * 2, (X,)),
    "an output that is marked": (Ranked, (X,)),
    "in place": (Doubled, (X,)),
    "NumPy inside": (OutOfTorch, (Y,)),
    "detached in its forward": (Detaching, (X,)),
    "a tree of tensors": (lambda p: {"out": Apart.apply(p["w"]) @ p["x"][0], "n": 3}, ({"w": X, "x": [Y]},)),
    "under torch.func": (lambda x: torch.func.grad(lambda a: Apart.apply(a).sum())(x), (X,)),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_function_agrees_wherever_it_is(name: str) -> None:
    f, args = RIGHT[name]
    agrees(check_custom_rule(f, *args))


def test_without_a_derivative_of_forward_differences_are_the_witness() -> None:
    report = check_custom_rule(OutOfTorch, Y)
    assert [w.says for w in report.witnesses if w.name == "autodiff"] == ["ABSTAINS"]
    assert any("no autodiff" in note and "numpy" in note for note in report.notes)
    refused(check_custom_rule(function("F", lambda x: torch.from_numpy(np.exp(x.detach().numpy())),
                                       lambda s, g: g * s[0].exp() * 1.5), Y), "factor")  # fmt: skip


def test_apply_has_the_names_of_its_function() -> None:
    report = check_custom_rule(Halved.apply, X)
    assert (report.name, [mark.name for mark in report.leaves]) == ("Halved", ["x"])
    assert "output = Halved.apply(x, scale)" in str(report) or "output = Halved.apply(x)" in str(report)


def test_a_module_is_called_with_parameters_of_its_own() -> None:
    Module: Any = torch.nn.Module

    class Model(Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.norm = torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3)

        def forward(self, x: Any) -> Any:
            return Apart.apply(self.norm(self.linear(x)))

    model = Model()
    before = {name: a.clone() for name, a in model.state_dict().items()}
    agrees(check_custom_rule(model, X))
    assert all(torch.equal(a, before[name]) for name, a in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_float32_in_the_closure_is_no_refusal() -> None:
    layer = torch.nn.Linear(4, 3)
    agrees(check_vjp(lambda x: layer(x).sin(), lambda ct, x: (ct * layer(x).cos()) @ layer.weight, X))


def test_plain_functions_in_each_form() -> None:
    parameter = torch.nn.Parameter(Y.clone())
    agrees(check_gradient(lambda x: (x.sin() * 2).sum(), lambda x: 2 * x.cos(), X))
    agrees(
        check_gradient(
            lambda x, p: (x @ p).sum(), lambda x, p: (p.expand(3, 4), x.sum(0)), X, parameter, argnums=(0, 1)
        )
    )
    agrees(check_vjp(torch.matmul, lambda ct, x, p: (torch.outer(ct, p), x.T @ ct), X, parameter, argnums=(0, 1)))
    agrees(check_jvp(torch.sin, lambda p, t: p[0].cos() * t[0], X))
    agrees(check_jvp(lambda x, k: x**k, lambda p, t: (p[0] ** p[1], p[1] * p[0] ** (p[1] - 1) * t[0]), X, 3))
    agrees(check_jvp(torch.sin, lambda p, t: torch.func.jvp(torch.sin, p, t), Y, probes=False))
    refused(check_gradient(lambda x: (x**2).sum(), lambda x: x, X), "factor")
    refused(check_jvp(torch.sin, lambda p, t: -p[0].cos() * t[0], X), "sign")


def test_the_code_of_a_plain_function_is_torchs() -> None:
    def halved(ct: Any, x: Any, held: Any, table: Any) -> Any:
        return ct * table / 2

    report = check_vjp(lambda x, held, table: x * table, halved, X, torch.arange(3), Y.requires_grad_(False), argnums=0)
    refused(report, "factor")
    run = wrong(report, halved=halved)
    assert isinstance(run.held["x"], torch.Tensor)
    assert run.held["x1" if "x1" in run.held else "held"].dtype == torch.int64


def test_numbers_integers_and_masks_are_held() -> None:
    mask, index = torch.tensor([True, False, True, True]), torch.tensor([2, 0])

    def f(x: Any, scale: float, mask: Any, index: Any) -> Any:
        assert isinstance(scale, float)
        return (torch.where(mask, x, 0.0) * scale)[index]

    def back(ct: Any, x: Any, scale: float, mask: Any, index: Any) -> Any:
        return torch.zeros_like(x).index_add(0, index, ct) * mask * scale

    agrees(check_vjp(f, back, Y, 1.5, mask, index))
    refused(check_vjp(f, lambda ct, x, scale, *held: back(ct, x, 2.0, *held), Y, 1.5, mask, index))


WRONG_RETURNS: dict[str, tuple[Any, str]] = {
    "NumPy": (lambda s, g: g.numpy(), "numpy"),
    "too few": (lambda s, g: (), "incorrect number of gradients"),
    "too many": (lambda s, g: (g, g), "incorrect number of gradients"),
    "another shape": (lambda s, g: g[:2], "invalid gradient"),
}


@pytest.mark.parametrize("name", WRONG_RETURNS)
def test_what_can_be_no_gradient_is_said(name: str) -> None:
    back, words = WRONG_RETURNS[name]
    report = check_custom_rule(function("F", torch.sin, back), X)
    refused(report, "shape")
    assert words in str(report)
    assert "Traceback" not in str(report)


def test_a_plain_rule_returns_tensors() -> None:
    report = check_gradient(lambda x: x.sum(), lambda x: np.ones((3, 4)), X)
    refused(report, "shape")
    assert "expected a tensor" in str(report)
    report = check_gradient(lambda x: x.sum(), lambda x: torch.ones(3, 4, dtype=torch.int64), X)
    assert "torch.int64, expected floating" in str(report)
    report = check_gradient(lambda x: x.sum(), lambda x: torch.ones(4), X)
    assert "shape (4,), expected (3, 4)" in str(report)


def test_a_rule_in_less_precision_is_a_cast() -> None:
    refused(check_gradient(lambda x: x.exp().sum(), lambda x: x.float().exp().double(), X.double()), "cast")


def test_the_code_takes_outputs_apart_and_copies_what_is_written_into() -> None:
    class Twice(Product):
        @staticmethod
        def backward(ctx: Any, first: Any, second: Any) -> Any:
            dx, dy, _ = Product.backward(ctx, first, second)
            return dx, 2 * dy, None

    class Once(Doubled):
        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    def f(p: Any, power: int, scale: float) -> Any:
        first, second = Twice.apply(p["w"], p["b"][0], power)
        return {"z": first * scale, "a": second, "n": power, "m": p["w"].argmax()}

    wrong(check_custom_rule(f, {"w": X, "b": [Y]}, 3, 0.5), f=f)
    wrong(check_custom_rule(Twice, X, Y), Twice=Twice)
    wrong(check_custom_rule(Once, X), Once=Once)


def test_a_rule_of_torch_library_is_found() -> None:
    @torch.library.custom_op("manual_vs_auto::sine", mutates_args=())  # type: ignore[untyped-decorator]
    def sine(x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.sin(x.detach().numpy()))

    def back(ctx: Any, g: Any) -> Any:
        return -g * ctx.saved_tensors[0].cos()

    sine.register_autograd(back, setup_context=lambda ctx, inputs, output: ctx.save_for_backward(inputs[0]))
    refused(check_custom_rule(sine, Y, probes=False), "sign")


def test_what_a_precision_lacks_leaves_it_undecided() -> None:
    class Lacking(Apart):
        @classmethod
        def backward(cls, ctx: Any, g: Any) -> Any:
            if g.dtype == torch.float16:
                raise RuntimeError("sine_backward is not implemented for 'Half'")
            return super().backward(ctx, g)

    report = check_custom_rule(Lacking, X.half(), probes=False)
    assert report.verdict is Verdict.INCONCLUSIVE, report
    assert any("not implemented for 'Half'" in note for note in report.notes)


def test_a_rule_that_draws_its_own_numbers_is_not_the_same_twice() -> None:
    def noisy(ct: Any, x: Any) -> Any:
        return ct * x.cos() + 1e-3 * torch.randn_like(x)

    refused(check_vjp(torch.sin, noisy, X), "nondeterministic")


@pytest.mark.parametrize("shape", [(), (0, 3), (1, 1)], ids=str)
def test_tensors_of_any_shape(shape: tuple[int, ...]) -> None:
    agrees(check_custom_rule(Apart, normal(3, *shape)))
    agrees(check_custom_rule(Apart, normal(3, 5, *shape)[1:4:2].transpose(0, -1)))


def test_a_structure_holds_for_tensors() -> None:
    lower = torch.tril(normal(4, 3, 3))
    agrees(check_vjp(lambda a: a @ a, lambda ct, a: ct @ a.T + a.T @ ct, lower, structure={"a": "lower_triangular"}))


@pytest.mark.parametrize(
    "place", ["engines.torch.stripped:_traced", "engines.torch.engine:pulled", "engines.swept:sweep_by_calls",
              "engines.torch.engine:given", "claims.tensors:as_numpy"]
)  # fmt: skip
def test_an_error_of_the_engine_comes_out(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise NameError("planted")

    agrees(check_custom_rule(Apart, X))  # what is imported only while it is broken would stay so
    module, name = place.split(":")
    owner = importlib.import_module(f"manual_vs_auto.gradcheck.{module}")
    for other in [m for n, m in sys.modules.items() if n.startswith("manual_vs_auto.gradcheck.")]:
        if getattr(other, name, None) is getattr(owner, name):
            monkeypatch.setattr(other, name, broken) if other is not owner else None
    monkeypatch.setattr(owner, name, broken)
    with pytest.raises(NameError, match="planted"):
        check_custom_rule(Apart, X)


def _engine(f: Callable[..., Any], *args: Any) -> TorchEngine:
    with torch.no_grad(), nothing_changed():
        return TorchEngine(vjp_claim(f, lambda ct, *args: args, inputs_of(f, args, None)))


STOPS: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "plain": (torch.sin, False),
    "detach": (lambda x: x * x.detach(), True),
    "data": (lambda x: x * x.data, True),
    "item": (lambda x: x * x.sum().item(), True),
    "no_grad": (lambda x: x * _without_gradient(x), True),
    "in a Function's forward": (Detaching.apply, False),
}  # fmt: skip


def _without_gradient(x: Any) -> Any:
    with torch.no_grad():
        return x.exp()


@pytest.mark.parametrize("name", STOPS)
def test_what_stops_gradients_is_seen(name: str) -> None:
    f, stops = STOPS[name]
    assert _engine(f, X).detaches == stops


def test_what_rounds_and_what_sums_is_seen() -> None:
    def written(x: Any) -> Any:
        out = torch.zeros_like(x)
        out[torch.tensor([0, 2])] = x[:2]
        return out

    assert _engine(torch.sin, X).longest_sum == 1
    assert _engine(torch.sum, X).longest_sum == 12
    assert _engine(lambda x: x @ x.T, normal(5, 2, 100)).longest_sum == 100
    assert _engine(lambda x: x.half().double(), X).dtype == "float16"
    assert _engine(lambda x: x * torch.ones(3, 1, dtype=torch.float32), X).dtype == "float64"
    assert (_engine(written, X).scatters, _engine(lambda x: x[[0, 0]], X).scatters) == (True, False)


def test_precisions_that_do_not_meet_in_torch_do_not_meet_here() -> None:
    layer = torch.nn.Linear(4, 3)
    report = check_vjp(lambda x: layer(x), lambda ct, x: ct @ layer.weight, X.bfloat16(), probes=False)
    assert report.verdict is Verdict.INCONCLUSIVE, report
    assert any("dtype" in note for note in report.notes)


def test_the_command_finds_functions_in_a_file() -> None:
    module = types.ModuleType("theirs")
    vars(module).update(
        Apart=Apart, Function=Function, X_inputs=lambda: (X,), sine=torch.sin, sine_vjp=lambda ct, x: ct * x.cos()
    )
    found = {(pair.name, pair.form) for pair in pairs_in(module)}
    assert found == {("Apart", "custom"), ("sine", "vjp")}


def test_a_straight_through_rule_has_a_surrogate() -> None:
    rounded = function("Rounded", torch.round, lambda s, g: g)
    refused(check_custom_rule(rounded, X))
    agrees(check_custom_rule(rounded, X, surrogate=lambda x: x * 1))


def test_second_order_is_asked_for() -> None:
    refused(check_custom_rule(Halved, Y, order=2), "factor")
    agrees(check_custom_rule(Apart, Y, order=2))
    report = check_custom_rule(Ranked, Y, order=2)
    agrees(report)
    assert any("once_differentiable" in probe.note for probe in report.probes)

    class Kept(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.slope = 2 * x.detach()
            return x**2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.slope

    agrees(check_custom_rule(Kept, Y))
    report = check_custom_rule(Kept, Y, order=2)
    refused(report, "second_order")
    wrong(report, Kept=Kept)

    def rule(ct: Any, x: Any) -> Any:
        return (ct * 2 * x.detach(),)

    wrong(check_vjp(torch.square, rule, Y, order=2), rule=rule)
    wrong(check_jvp(torch.square, lambda x, t: 2 * x[0].detach() * t[0], Y, order=2),
          jvp_fn=lambda x, t: 2 * x[0].detach() * t[0])  # fmt: skip


def test_dropout_draws_the_same_mask_in_float64_only() -> None:
    class Dropout(Function):
        drawn_anew = False

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mask = torch.rand_like(x) > 0.5
            return x * ctx.mask * 2

        @classmethod
        def backward(cls, ctx: Any, g: Any) -> Any:
            return g * 2 * ((torch.rand_like(g) > 0.5) if cls.drawn_anew else ctx.mask)

    agrees(check_custom_rule(Dropout, X))
    Dropout.drawn_anew = True
    refused(check_custom_rule(Dropout, X))


def test_nothing_of_the_users_is_changed() -> None:
    x = X.clone().requires_grad_()
    (x * 1).sum().backward()
    kept, grad = x.detach().clone(), x.grad.clone()

    class Messy(Apart):
        @classmethod
        def backward(cls, ctx: Any, g: Any) -> Any:
            torch.manual_seed(5)
            torch.set_default_dtype(torch.float16)
            torch.set_grad_enabled(False)
            return super().backward(ctx, g)

    state, threads = torch.get_rng_state(), torch.get_num_threads()
    agrees(check_custom_rule(Messy, x))
    with torch.no_grad():
        agrees(check_custom_rule(Apart, x))
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        agrees(check_custom_rule(Apart, X))
    assert torch.equal(x, kept)
    assert x.requires_grad
    assert torch.equal(x.grad, grad)
    assert torch.equal(torch.get_rng_state(), state)
    assert (torch.get_default_dtype(), torch.get_num_threads()) == (torch.float32, threads)
    assert torch.is_grad_enabled()
    assert "apply" not in vars(torch.autograd.function._SingleLevelFunction)


USAGE: dict[str, tuple[Callable[[], Any], str]] = {
    "no Function": (lambda: check_custom_rule(torch.sin, X), "no torch.autograd.Function in sin"),
    "no tensor": (lambda: check_custom_rule(Apart, np.ones(3)), "give it tensors"),
    "integers": (lambda: check_custom_rule(Apart, torch.arange(3)), "no floating tensors"),
    "meta": (lambda: check_custom_rule(Apart, torch.ones(3, device="meta")), 'x is on the device "meta"'),
    "sparse": (lambda: check_custom_rule(Apart, torch.eye(3).to_sparse()), "x is a sparse tensor"),
    "no tensor comes back": (lambda: check_vjp(lambda x: None, lambda ct, x: x, X), "returns no floating numbers"),
}


@pytest.mark.parametrize("name", USAGE)
def test_what_has_no_answer_is_refused_in_a_sentence(name: str) -> None:
    ask, words = USAGE[name]
    with pytest.raises(UsageError, match=words):
        ask()


def test_torch_is_not_imported_for_arrays() -> None:
    code = (
        "import sys, numpy as np; from manual_vs_auto.gradcheck import check_gradient\n"
        "assert check_gradient(lambda x: (x**2).sum(), lambda x: 2 * x, np.ones(3)).verdict.name == 'AGREE'\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_check_is_in_the_precisions_that_are_asked_for() -> None:
    report = check_custom_rule(Apart, X, dtypes=("float64", "bfloat16"))
    agrees(report)
    refused(check_custom_rule(Halved, X, dtypes=("float64", "bfloat16")), "factor")
