"""Pytrees with the names of their leaves; tuples, lists and dicts also where JAX is not installed."""

import importlib
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple


@cache
def import_jax() -> ModuleType | None:
    """JAX where it is installed. Functions of NumPy alone are judged without it."""
    try:
        return importlib.import_module("jax")
    except ImportError:
        return None


class Tree(NamedTuple):
    """The leaves of a pytree, where each hangs (as in "['weight']"), and what puts new leaves in their places."""

    leaves: list[Any]
    paths: list[str]
    rebuild: Callable[[list[Any]], Any]


def flatten(tree: Any) -> Tree:
    """The leaves of a tree. None is an empty tree, as in JAX; the named results of a torch function are a tuple."""
    if isinstance(tree, tuple) and hasattr(tree, "n_sequence_fields"):
        tree = tuple(tree)
    jax = import_jax()
    if jax is None:
        return _flatten(tree)
    found, definition = jax.tree_util.tree_flatten_with_path(tree)
    paths = [jax.tree_util.keystr(path) for path, _ in found]
    return Tree([leaf for _, leaf in found], paths, lambda leaves: jax.tree_util.tree_unflatten(definition, leaves))


def _flatten(tree: Any) -> Tree:
    if tree is None:
        return Tree([], [], lambda _: None)
    if isinstance(tree, dict):
        keys = sorted(tree)
        inner = [_flatten(tree[key]) for key in keys]
        labels = [f"[{key!r}]" for key in keys]

        def pack(parts: list[Any]) -> Any:
            return dict(zip(keys, parts, strict=True))
    elif isinstance(tree, tuple | list):
        inner = [_flatten(part) for part in tree]
        labels = [f"[{at}]" for at in range(len(tree))]

        def pack(parts: list[Any]) -> Any:
            return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    else:
        return Tree([tree], [""], lambda leaves: leaves[0])

    def rebuild(leaves: list[Any]) -> Any:
        rest = list(leaves)
        return pack([part.rebuild([rest.pop(0) for _ in part.leaves]) for part in inner])

    leaves = [leaf for part in inner for leaf in part.leaves]
    paths = [label + path for label, part in zip(labels, inner, strict=True) for path in part.paths]
    return Tree(leaves, paths, rebuild)
