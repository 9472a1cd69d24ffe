"""HIPS/autograd's table of vjps and jvps, beside the plain functions of NumPy and SciPy that it wraps."""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks._peers_item import Item, Line, floating, lines
from benchmarks._peers_numpy import COMPLEX, shared, ufuncs

# For each short name of a table: the module that computes, and the one that differentiates.
_MODULES = {
    "np": ("numpy", "autograd.numpy"),
    "sp": ("scipy.special", "autograd.scipy.special"),
    "st": ("scipy.stats", "autograd.scipy.stats"),
    "sl": ("scipy.linalg", "autograd.scipy.linalg"),
    "sg": ("scipy.signal", "autograd.scipy.signal"),
    "integrate": ("scipy.integrate", "autograd.scipy.integrate"),
}
Namespace = Mapping[str, Any]


def autograd_items() -> Iterator[Item]:
    """Every function with a vjp, and every other one forward, too, where it has a jvp."""
    plain, boxed = _namespaces()
    for at, line in enumerate([*ufuncs(boxed["np"]), *shared()]):
        part = next((name for name in (".linalg", ".fft") if f"np{name}" in line.expression), "")
        found = list(_both(f"autograd.numpy{part}", line, plain, boxed))
        yield from found if at % 2 == 0 else found[:1]
    for source, table in _TABLES.items():
        for line in lines(table):
            yield from _both(f"autograd.{source}", line, plain, boxed)


def autograd_complex() -> Iterator[Item]:
    """Complex arguments and outputs, in autograd's convention."""
    plain, boxed = _namespaces()
    for line in lines(COMPLEX):
        yield from list(_both("autograd complex", line, plain, boxed))[:1]


def pullback(f: Callable[..., Any], moving: Sequence[int]) -> Callable[..., Any]:
    """autograd.make_vjp as a rule: a cotangent for each argument that moves, None for the others."""
    make_vjp = importlib.import_module("autograd").make_vjp

    def rule(ct: Any, *args: Any) -> tuple[Any, ...]:
        given, cotangent = [np.asarray(a) for a in args], _plain(ct)
        return tuple(make_vjp(f, at)(*given)[0](cotangent) if at in moving else None for at in range(len(given)))

    return rule


def pushforward(f: Callable[..., Any], moving: Sequence[int]) -> Callable[..., Any]:
    """autograd.make_jvp as a rule, argument by argument."""
    make_jvp = importlib.import_module("autograd").make_jvp

    def rule(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
        given = [np.asarray(p) for p in primals]
        return _sum([make_jvp(f, at)(*given)(np.asarray(tangents[at]))[1] for at in moving])

    return rule


def _plain(ct: Any) -> Any:
    """NumPy's own arrays, whatever holds the numbers: autograd looks at types."""
    return type(ct)(map(_plain, ct)) if isinstance(ct, list | tuple) else np.asarray(ct)


def _sum(parts: Sequence[Any]) -> Any:
    """Of arrays, or of lists of them."""
    if isinstance(parts[0], list | tuple):
        return [_sum(each) for each in zip(*parts, strict=True)]
    return sum(parts[1:], parts[0])


def _namespaces() -> tuple[Namespace, Namespace]:
    plain = {name: importlib.import_module(modules[0]) for name, modules in _MODULES.items()}
    boxed: dict[str, Any] = {name: importlib.import_module(modules[1]) for name, modules in _MODULES.items()}
    return plain, {**boxed, "tuple": importlib.import_module("autograd.builtins").tuple}


def _both(source: str, line: Line, plain: Namespace, boxed: Namespace) -> Iterator[Item]:
    """Backward and forward, as far as autograd has a rule for these arguments."""
    f, traced, args = line.function(plain), line.function(boxed), line.args(np.float64)
    chosen = np.atleast_1d(line.options.get("argnums", range(len(args))))
    moving = [at for at, a in enumerate(args) if floating(a) and at in chosen]
    backward, forward = pullback(traced, moving), pushforward(traced, moving)
    trials: tuple[tuple[str, Any, Callable[[], Any]], ...] = (
        ("vjp", backward, lambda: backward(f(*args), *args)),
        ("jvp", forward, lambda: forward(args, args)),
    )
    for form, rule, trial in trials:
        try:
            with np.errstate(all="ignore"):
                trial()
        except NotImplementedError:
            continue
        yield Item(source, line.name, form, f, rule, args, line.options)


_TABLES = {
    "scipy.special": """
sp.beta(x, y) | p4 p4 | domain=(0, None)
sp.beta(x, y) | p34 p4 | domain=(0, None)
sp.betainc(2.0, 3.0, x) | u4 | domain=(0, 1)
sp.betainc(x, y, z) | p4 p4 u4 | domain=(0, 1), argnums=2
sp.betaln(x, y) | p4 p4 | domain=(0, None)
sp.polygamma(1, x) | p5 | domain=(0, None)
sp.polygamma(2, x) | p34 | domain=(0, None)
sp.psi(x) | p5
sp.digamma(x) | p34 | domain=(0, None)
sp.gamma(x) | p34
sp.gamma(x) | p5 | domain=(0, None)
sp.gammaln(x) | p34
sp.gammainc(2.5, x) | p5 | domain=(0, None)
sp.gammainc(x, y) | p4 p4 | domain=(0, None), argnums=1
sp.gammaincc(2.5, x) | p5 | domain=(0, None)
sp.rgamma(x) | p34
sp.multigammaln(x, 3) | g | domain=(1, None)
sp.j0(x) | n34
sp.j1(x) | n34
sp.y0(x) | p5 | domain=(0, None)
sp.y1(x) | p34 | domain=(0, None)
sp.jn(2, x) | n34
sp.yn(2, x) | p5 | domain=(0, None)
sp.i0(x) | n34
sp.i1(x) | n5
sp.iv(1.5, x) | p5 | domain=(0, None)
sp.ive(1.5, x) | p5 | domain=(0, None)
sp.erf(x) | n34
sp.erf(x) | z5
sp.erfc(x) | n34
sp.erfc(x) | w5
sp.erfinv(x) | a34 | domain=(-1, 1)
sp.erfcinv(x) | u5 | domain=(0, 2)
sp.logit(x) | u34 | domain=(0, 1)
sp.expit(x) | n34
sp.expit(x) | w5
sp.logsumexp(x) | n34
sp.logsumexp(x, axis=1) | n34
sp.logsumexp(x, axis=0, keepdims=True) | n34
sp.logsumexp(x) | w5
sp.logsumexp(x, axis=(0, 1)) | n324
sp.logsumexp(x, axis=1) | t34
""",
    "scipy.stats": """
st.norm.pdf(x) | n34
st.norm.pdf(x, y, z) | n34 n34 p34 | domain=[None, None, (0, None)]
st.norm.pdf(x, y, z) | n34 n4 p | domain=[None, None, (0, None)]
st.norm.cdf(x) | n34
st.norm.cdf(x, y, z) | n34 n34 p34 | domain=[None, None, (0, None)]
st.norm.sf(x) | w5
st.norm.sf(x, y, z) | n4 n4 p4 | domain=[None, None, (0, None)]
st.norm.logpdf(x) | w5
st.norm.logpdf(x, y, z) | n34 n34 p34 | domain=[None, None, (0, None)]
st.norm.logpdf(x, y, z) | n34 n p | domain=[None, None, (0, None)]
st.norm.logcdf(x) | n34
st.norm.logcdf(x, y, z) | n4 n4 p4 | domain=[None, None, (0, None)]
st.norm.logsf(x) | n34
st.norm.logsf(x, y, z) | n4 n4 p4 | domain=[None, None, (0, None)]
st.beta.pdf(x, y, z) | u4 p4 p4 | domain=[(0, 1), (0, None), (0, None)]
st.beta.cdf(x, y, z) | u4 p4 p4 | domain=[(0, 1), (0, None), (0, None)], argnums=0
st.beta.logpdf(x, y, z) | u34 p34 p34 | domain=[(0, 1), (0, None), (0, None)]
st.chi2.pdf(x, 3) | p34 | domain=(0, None)
st.chi2.cdf(x, 3) | p34 | domain=(0, None)
st.chi2.logpdf(x, 4) | p5 | domain=(0, None)
st.gamma.pdf(x, y) | p4 p4 | domain=(0, None)
st.gamma.cdf(x, y) | p4 p4 | domain=(0, None), argnums=0
st.gamma.logpdf(x, y) | p34 p34 | domain=(0, None)
st.poisson.cdf(y, x) | p4 k4 | domain=(0, None)
st.poisson.pmf(y, x) | p4 k4 | domain=(0, None)
st.poisson.logpmf(y, x) | p34 k34 | domain=(0, None)
st.t.pdf(x, y) | n4 p4 | domain=[None, (0, None)]
st.t.pdf(x, y, z, w) | n4 p4 n4 p4 | domain=[None, (0, None), None, (0, None)]
st.t.cdf(x, 4.0) | n34
st.t.cdf(x, y, z) | n4 p4 n4 | domain=[None, (0, None), None], argnums=(0, 2)
st.t.logpdf(x, y) | n34 p34 | domain=[None, (0, None)]
st.t.logpdf(x, y, z, w) | n4 p4 n4 p4 | domain=[None, (0, None), None, (0, None)]
st.t.logcdf(x, 4.0) | n5
st.dirichlet.logpdf(y, x) | p4 q4 | domain=(0, None), argnums=0
st.dirichlet.pdf(y, x) | p4 q4 | domain=(0, None), argnums=0
st.multivariate_normal.logpdf(x, y, z) | n3 n3 s33 | structure={'z': 'positive_definite'}
st.multivariate_normal.pdf(x, y, z) | n3 n3 s33 | structure={'z': 'positive_definite'}
st.multivariate_normal.logpdf(x, y, z) | n43 n3 s33 | structure={'z': 'positive_definite'}, argnums=(0, 1)
st.multivariate_normal.entropy(y, x) | s33 n3 | structure={'x': 'positive_definite'}, argnums=0
""",
    "scipy.linalg": """
sl.sqrtm(x) | s33 | structure={'x': 'positive_definite'}
sl.solve_triangular(x, y, lower=True) | l33 n3
sl.solve_triangular(x, y, lower=True) | l33 n32
sl.solve_triangular(x, y, trans=1, lower=True) | l33 n3
sl.solve_sylvester(x, y, z) | s33 s22 n32
sl.solve_banded((1, 1), x, y) | p35 n5 | argnums=1
""",
    "scipy.signal": """
sg.convolve(x, y, mode='full') | n6 n3
sg.convolve(x, y, mode='valid') | n6 n3
sg.convolve(x, y, mode='same') | n6 n3
sg.convolve(x, y, mode='full') | n44 n23
sg.convolve(x, y, mode='valid') | n55 n22
""",
    "scipy.integrate": """
integrate.odeint(lambda u, t, a: -a * u, x, np.arange(4) / 3, tuple((y,))) | p2 p | domain=(0.1, 5), f_accuracy=1e-5
""",
}
