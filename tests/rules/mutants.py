"""Rules made wrong on purpose: one line of one file changed, in the ways that people get it wrong."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import manual_vs_auto.rules as rules


class Mutant(NamedTuple):
    """In `file`, the one place that reads `right` reads `wrong`."""

    file: str
    right: str
    wrong: str


MUTANTS = [
    # softmax: sign, factor, dropped term, missing or wrong sum, wrong axis
    Mutant("softmax", "tangent is None", "tangent is not None"),
    Mutant("softmax", "-(p[..., :, None] * p[..., None, :])", "p[..., :, None] * p[..., None, :]"),
    Mutant("softmax", "-(p[..., :, None] * p[..., None, :])", "0"),
    Mutant("softmax", "-(p[..., :, None] * p[..., None, :])", "-(p[..., :, None] * p[..., :, None])"),
    Mutant("softmax", "diagonal = p * xp.where", "diagonal = xp.where"),
    Mutant("softmax", "xp.where(row.top, row.doubt, 1 - p)", "1"),
    Mutant("softmax", "xp.where(row.top, row.doubt, 1 - p)", "xp.where(row.top, 1 - p, row.doubt)"),
    Mutant("softmax", "balanced(p * (v - p.", "balanced(p * (v + p."),
    Mutant("softmax", "balanced(p * (v - p.", "balanced(1.001 * p * (v - p."),
    Mutant("softmax", "balanced(p * (v - p.", "balanced((v - p."),
    Mutant("softmax", ".sum(p * v, axis=-1", ".sum(v, axis=-1"),
    Mutant("softmax", ".sum(p * v, axis=-1", ".mean(p * v, axis=-1"),
    Mutant("softmax", "(v - p.__array_namespace__().sum(p * v, axis=-1, keepdims=True))", "v"),
    Mutant("softmax", "_jacobian_product(wide, largest(wide), cotangent)", "wide * cotangent"),
    Mutant("softmax", "_jacobian_product(wide, largest(wide), cotangent)", "-_jacobian_product(wide, largest(wide), cotangent)"),
    Mutant("softmax", "others = xp.where(top, 0, values)", "others = values"),
    Mutant("softmax", "xp.where(top, -xp.sum(others", "xp.where(top, xp.sum(others"),
    Mutant("softmax", "xp.where(top, -xp.sum(others, axis=-1, keepdims=True), others)", "others"),
    Mutant("softmax", "    return p, p\n", "    return p, logits\n"),
    Mutant("softmax", "self.terms / (1 + self.others)", "self.terms / self.others"),
    Mutant("softmax", "self.terms / (1 + self.others)", "self.terms"),
    Mutant("softmax", "self.others / (1 + self.others)", "self.others"),
    Mutant("softmax", "xp.sum(xp.where(top, 0, terms), axis=-1", "xp.sum(terms, axis=-1"),
    Mutant("softmax", "logits - xp.sum(xp.where(top, logits, 0), axis=-1, keepdims=True))", "logits)"),
    Mutant("softmax", "np.argmax(rows, axis=-1)", "np.argmin(rows, axis=-1)"),
    Mutant("softmax", "(mass - targets) - mass * row.doubt", "(mass - targets) + mass * row.doubt"),
    Mutant("softmax", "(mass - targets) - mass * row.doubt", "mass - mass * row.doubt"),
    Mutant("softmax", "mass * row.probabilities - targets)", "targets - mass * row.probabilities)"),
    Mutant("softmax", "mass * row.probabilities - targets)", "row.probabilities - targets)"),
    # linear: transposes, the outer product turned round, the sum over the batch
    Mutant("linear", 'widened("weight", weight).T, inputs.dtype', '2 * widened("weight", weight).T, inputs.dtype'),
    Mutant("linear", "ct.T @ x", "-ct.T @ x"),
    Mutant("linear", "ct.T @ x", "0.999 * ct.T @ x"),
    Mutant("linear", "ct.T @ x", "(x.T @ ct).T / max(examples, 1)"),
    Mutant("linear", "ct.T @ x", "xp.reshape(x.T @ ct, weight.shape)"),
    Mutant("linear", "ct.T @ x", "ct[:1].T @ x[:1]"),
    Mutant("linear", 'ct @ widened("weight", weight)', 'ct @ xp.reshape(weight.T, weight.shape)'),
    Mutant("linear", 'ct @ widened("weight", weight)', '-ct @ widened("weight", weight)'),
    Mutant("linear", "tangent = tangent + linear(weight_tangent, inputs)", "tangent = tangent"),
    Mutant("linear", "tangent = tangent + linear(weight, inputs_tangent)", "tangent = linear(weight, inputs_tangent)"),
    Mutant("linear", "tangent = tangent + linear(weight, inputs_tangent)", "tangent = tangent - linear(weight, inputs_tangent)"),
    Mutant("linear", "* inputs[..., None, None, :]", "* inputs[..., None, None, ::-1]"),
    Mutant("linear", "same_class = xp.eye(classes, dtype=weight.dtype)", "same_class = xp.ones((classes, classes))"),
    Mutant("linear", "xp.broadcast_to(weight, (*batch, classes, features))\n", "-xp.broadcast_to(weight, (*batch, classes, features))\n"),
    # difference
    Mutant("difference", "wide - one_hot(labels, wide)", "wide + one_hot(labels, wide)"),
    Mutant("difference", "else -identity", "else identity"),
    Mutant("difference", "else -cotangent", "else cotangent"),
    Mutant("difference", "    return cotangent, None", "    return -cotangent, None"),
    Mutant("difference", "return identity, None", "return 2 * identity, None"),
    Mutant("difference", "else tangent - targets_tangent", "else tangent + targets_tangent"),
    Mutant("difference", "else tangent - targets_tangent", "else tangent"),
    # squared distance
    Mutant("squared_distance", "probabilities - targets", "probabilities + targets"),
    Mutant("squared_distance", ", 2 * d, -2 * d", ", d, -2 * d"),
    Mutant("squared_distance", ", 2 * d, -2 * d", ", -2 * d, -2 * d"),
    Mutant("squared_distance", ", 2 * d, -2 * d", ", 2 * d, 2 * d"),
    Mutant("squared_distance", ".sum(d * d, axis=-1)", ".mean(d * d, axis=-1)"),
    Mutant("squared_distance", ".sum(d * d, axis=-1)", ".sum(abs(d), axis=-1)"),
    # softmax and squared distance
    Mutant("softmax_squared_distance", "gradient = 2 * row", "gradient = row"),
    Mutant("softmax_squared_distance", "gradient = 2 * row.probabilities * (", "gradient = 2 * ("),
    Mutant("softmax_squared_distance", "(d - xp.sum", "(d + xp.sum"),
    Mutant("softmax_squared_distance", "xp.sum(row.probabilities * d, axis=-1, keepdims=True))", "0)"),
    Mutant("softmax_squared_distance", "xp.sum(row.probabilities * d, axis", "xp.sum(d, axis"),
    Mutant("softmax_squared_distance", "balanced(gradient, row.top)", "balanced(gradient, ~row.top)"),
    Mutant("softmax_squared_distance", "xp.ones_like(row.others)", "2 * xp.ones_like(row.others)"),
    Mutant("softmax_squared_distance", ", -2 * d", ", -d"),
    Mutant("softmax_squared_distance", "xp.sum(d * d, axis=-1)", "xp.sum(d * d, axis=-1) / 2"),
    # cross-entropy
    Mutant("cross_entropy", "surplus(row, targets, mass)", "-surplus(row, targets, mass)"),
    Mutant("cross_entropy", "surplus(row, targets, mass)", "surplus(row, targets, xp.ones_like(mass))"),
    Mutant("cross_entropy", "surplus(row, targets, mass)", "surplus(row, 0 * targets, mass)"),
    Mutant("cross_entropy", "xp.log1p(row.others) - row", "xp.log1p(row.others) + row"),
    Mutant("cross_entropy", "xp.log1p(row.others) - row.differences", "-row.differences"),
    Mutant("cross_entropy", "xp.log1p(row.others)", "xp.log(row.others)"),
    Mutant("cross_entropy", "mass), surprise", "mass), -surprise"),
    Mutant("cross_entropy", "mass), surprise", "mass), counted * (targets != 0)"),
    Mutant("cross_entropy", "mass = exponentials(logits), xp.sum(", "mass = exponentials(logits), xp.mean("),
    # what the losses share
    Mutant("scalar", "return slope(jacobian(*primals), tangents)", "return -slope(jacobian(*primals), tangents)"),
    Mutant("scalar", "return scaled(gradients, cotangent)", "return gradients"),
    Mutant("scalar", "(by_scores, None if", "(2 * by_scores, None if"),
    Mutant("scalar", "is_labels(labels) else by_targets", "is_labels(labels) else by_scores"),
    Mutant("scalar", "tuple(None if g is None else narrowed(ct * g", "tuple(None if g is None else narrowed(ct + g"),
    Mutant("scalar", "sum(terms[1:], start=terms[0])", "terms[0]"),
    Mutant("scalar", 'widened("gradient", g) * widened("tangent", t)', 'widened("gradient", g)'),
    # chain: the transpose, the order, a dropped rule
    Mutant("chain", "tangent = inner.jvp(primals[:arity], tangents[:arity])", "tangent = -inner.jvp(primals[:arity], tangents[:arity])"),
    Mutant("chain", "return *inner.bwd(inner_residuals, between), *rest", "return *inner.bwd(inner_residuals, -between), *rest"),
    Mutant("chain", "return outer.jvp((between, *primals[arity:])", "return 2 * outer.jvp((between, *primals[arity:])"),
    Mutant("chain", "(*batch, links, math.prod(axes)))", "(*batch, math.prod(axes), links)).swapaxes(-1, -2)"),
    Mutant("chain", "left @ right", "abs(left) @ right"),
    Mutant("chain", "return *through, *rest", "return *(None if t is None else -t for t in through), *rest"),
    # product: either half of (4) dropped, or with a minus
    Mutant("product", "+ _dot(f_out, g.jvp(primals, tangents))", ""),
    Mutant("product", "+ _dot(f_out, g.jvp(primals, tangents))", "- _dot(f_out, g.jvp(primals, tangents))"),
    Mutant("product", "return None if a is None or b is None else a + b", "return None if a is None or b is None else a"),
    Mutant("product", "return None if a is None or b is None else a + b", "return None if a is None or b is None else a - b"),
    Mutant("product", "g.bwd(g_residuals, cotangent[..., None] * f_out)", "g.bwd(g_residuals, f_out)"),
    Mutant("product", "contraction(f_out, g_jacobian, g_out.shape)", "contraction(-f_out, g_jacobian, g_out.shape)"),
    Mutant("product", 'widened("f", a) * widened("g", b)', 'widened("f", a) + widened("g", b)'),
]  # fmt: skip


@contextmanager
def mutated(mutant: Mutant) -> Iterator[ModuleType]:
    """The package `manual_vs_auto.rules`, imported anew with one mutant in it."""
    package = "manual_vs_auto.rules"
    root = Path(rules.__file__).parent
    source = (root / f"{mutant.file}.py").read_text()
    assert source.count(mutant.right) == 1, f"{mutant.file} has {source.count(mutant.right)} {mutant.right!r}"
    kept = {name: module for name, module in sys.modules.items() if name == package or name.startswith(f"{package}.")}
    for name in kept:
        del sys.modules[name]
    try:
        # The wrong module first: the others then import it and not the right one.
        _imported(package, root / "__init__.py", "", search=[str(root)])
        changed = source.replace(mutant.right, mutant.wrong)
        _imported(f"{package}.{mutant.file}", root / f"{mutant.file}.py", changed)
        return_value = _imported(package, root / "__init__.py", (root / "__init__.py").read_text(), search=[str(root)])
        yield return_value
    finally:
        for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
            del sys.modules[name]
        sys.modules.update(kept)


def _imported(name: str, path: Path, source: str, search: list[str] | None = None) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=search)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module
