"""Brings an item before the checker."""

from collections.abc import Callable
from typing import Any

from manual_vs_auto.gradcheck import Report, check_custom_rule, check_gradient, check_jvp, check_vjp
from tests.corpus.item import Item


def judge(item: Item, **options: Any) -> Report:
    """The report on an item, as its author would ask for it."""
    chosen = {**item.options, **options}
    if item.manual is None:
        return check_custom_rule(item.f, *item.args, **chosen)
    checks: dict[str, Callable[..., Report]] = {"gradient": check_gradient, "vjp": check_vjp, "jvp": check_jvp}
    return checks[item.kind](item.f, item.manual, *item.args, **chosen)
