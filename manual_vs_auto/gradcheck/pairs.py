"""Finds, in a module, functions with the derivatives that somebody wrote for them, and inputs to try them on."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Unpack

import numpy as np

from manual_vs_auto.gradcheck.api import check_custom_rule, check_gradient, check_jvp, check_vjp
from manual_vs_auto.gradcheck.claims.errors import UsageError
from manual_vs_auto.gradcheck.claims.outputs import floating
from manual_vs_auto.gradcheck.claims.paired import Paired
from manual_vs_auto.gradcheck.claims.tensors import is_function
from manual_vs_auto.gradcheck.claims.trees import flatten, import_jax
from manual_vs_auto.gradcheck.options import Settings
from manual_vs_auto.gradcheck.report.report import Report

_SHAPES = ((4,), (3, 4), (), (4, 3))
_MOST_GUESSES = 3000
# A file is run once, however often it is named: its classes must stay the same.
_LOADED: dict[str, ModuleType] = {}


class Pair(NamedTuple):
    """form: "gradient", "vjp", "jvp" or "custom". rule is None for a function that carries its own."""

    name: str
    form: str
    f: Callable[..., Any]
    rule: Callable[..., Any] | None

    def check(self, args: tuple[Any, ...], **options: Unpack[Settings]) -> Report:
        """Judge it on these arguments."""
        if self.rule is None:
            return check_custom_rule(self.f, *args, **options)
        if self.form == "gradient":
            return check_gradient(self.f, self.rule, *args, argnums=_argnums(self.rule, args), **options)
        return (check_vjp if self.form == "vjp" else check_jvp)(self.f, self.rule, *args, **options)


def load(target: str) -> ModuleType:
    """A module by the path of its file, or by its name.

    Raises: UsageError that ends with the last line of the module's own traceback if it can't be imported.
    """
    path = Path(target)
    known = _LOADED.get(str(path.resolve()))
    if known is not None and target.endswith(".py"):
        sys.modules[path.stem] = known
        return known
    sys.path[:0] = [] if "" in sys.path or str(Path.cwd()) in sys.path else [str(Path.cwd())]
    try:
        if target.endswith(".py"):
            if not path.is_file():
                raise UsageError(f"{target}: no such file")
            spec = importlib.util.spec_from_file_location(path.stem, path)
            if spec is None or spec.loader is None:
                raise UsageError(f"{target}: not a Python file")
            module = importlib.util.module_from_spec(spec)
            sys.modules[path.stem] = module
            sys.path.insert(0, str(path.parent.resolve()))
            spec.loader.exec_module(module)
            _LOADED[str(path.resolve())] = module
            return module
        return importlib.import_module(target)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        lines = str(error).strip().splitlines()
        raise UsageError(
            f"{target} can't be imported: {type(error).__name__}{': ' + lines[0] if lines else ''}"
        ) from error


def named(reference: str) -> Any:
    """What "module:name" or "file.py:name" names. Raises: UsageError."""
    target, colon, name = reference.rpartition(":")
    if not colon or not target or not name:
        raise UsageError(f"{reference!r}: expected module:name or file.py:name")
    found: Any = load(target)
    for part in name.split("."):
        if not hasattr(found, part):
            near = [n for n in dir(found) if not n.startswith("_")][:12]
            raise UsageError(f"{target} has no {name!r}; it has {', '.join(near) or 'nothing'}")
        found = getattr(found, part)
    return found


def pairs_in(module: ModuleType) -> Iterator[Pair]:
    """f with f_grad, f_vjp, f_jvp, or f_fwd and f_bwd; and every function with a rule of its own."""
    held = {name: value for name, value in vars(module).items() if callable(value) and not name.startswith("__")}
    for name, f in held.items():
        for suffix, form in (("_grad", "gradient"), ("_vjp", "vjp"), ("_jvp", "jvp")):
            if name + suffix in held:
                yield Pair(name, form, f, held[name + suffix])
        if f"{name}_fwd" in held and f"{name}_bwd" in held and not carries(f):
            yield Pair(name, "vjp", f, Paired(held[f"{name}_fwd"], held[f"{name}_bwd"]))
        if carries(f):
            yield Pair(name, "custom", f, None)


def carries(f: Any) -> bool:
    """Whether it is a jax.custom_vjp, a jax.custom_jvp or a torch.autograd.Function."""
    jax = import_jax()
    return is_function(f) or (jax is not None and isinstance(f, jax.custom_vjp | jax.custom_jvp))


def form_of(rule: Callable[..., Any]) -> str:
    """What a rule named after --against is, by its name: gradient unless it ends in _vjp or _jvp."""
    name = getattr(rule, "__name__", "")
    return "vjp" if name.endswith("vjp") else "jvp" if name.endswith("jvp") else "gradient"


def inputs_for(pair: Pair, module: ModuleType | None, given: Callable[..., Any] | None) -> tuple[tuple[Any, ...], str]:
    """Arguments, and where they are from: --inputs, the module's NAME_inputs or make_inputs, or a guess.

    Raises: UsageError if no guess suits.
    """
    makers: list[Any] = (
        [given] if given is not None else [getattr(module, n, None) for n in (f"{pair.name}_inputs", "make_inputs")]
    )
    for maker in makers:
        if maker is None:
            continue
        try:
            found = _made(maker, pair.name)
        except Exception as error:
            name = getattr(maker, "__name__", "inputs")
            raise UsageError(f"{name} raises {type(error).__name__}: {error}") from error
        if isinstance(found, dict) and pair.name in found:
            found = found[pair.name]
        several = isinstance(found, tuple | list) and not hasattr(found, "_fields")
        return (tuple(found) if several else (found,)), getattr(maker, "__name__", "inputs")
    return _guess(pair)


def _made(maker: Any, name: str) -> Any:
    if not callable(maker):
        return maker
    return maker(name) if inspect.signature(maker).parameters else maker()


def _guess(pair: Pair) -> tuple[tuple[Any, ...], str]:
    try:
        parameters = inspect.signature(pair.f).parameters.values()
    except (TypeError, ValueError):
        parameters = []  # type: ignore[assignment]
    count = sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    generator = np.random.default_rng(0)
    for tried, shapes in enumerate(product(_SHAPES, repeat=max(count, 1))):
        if tried > _MOST_GUESSES:
            break
        args = tuple(generator.normal(size=shape).astype(np.float32) for shape in shapes)
        try:
            leaves = flatten(pair.f(*args)).leaves
        except Exception:
            continue
        numbers = [np.asarray(leaf) for leaf in leaves if hasattr(leaf, "dtype") or isinstance(leaf, float)]
        scalar = pair.form != "gradient" or (len(numbers) == 1 and numbers[0].size == 1)
        if numbers and scalar and all(np.all(np.isfinite(n)) for n in numbers):
            return args, f"normal numbers of shapes {', '.join(map(str, shapes))}, a guess: give --inputs"
    raise UsageError(
        f"no inputs for {pair.name}: give --inputs module:make_inputs, or define {pair.name}_inputs() -> args beside it"
    )


def _argnums(rule: Callable[..., Any], args: tuple[Any, ...]) -> int | tuple[int, ...]:
    """0 if the rule returns one gradient, all floating arguments if it returns a tuple of as many."""
    numbers = [at for at, a in enumerate(args) if all(map(floating, flatten(a).leaves))]
    try:
        found = rule(*args)
    except Exception:
        return 0
    several = isinstance(found, tuple) and not hasattr(found, "_fields") and len(found) == len(numbers)
    return tuple(numbers) if several and not isinstance(args[0], tuple) else 0
