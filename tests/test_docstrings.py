"""Every example in a docstring runs, and every public function of the rules and the model has a source."""

import doctest
import importlib
import importlib.util
import inspect
import pkgutil

import numpy as np
import pytest

import manual_vs_auto
from manual_vs_auto import auto, manual, model
from manual_vs_auto.rules import RULES, compose, product

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(manual_vs_auto.__path__, "manual_vs_auto.")
    if not name.endswith("__main__")
    # What needs an extra is read where it is installed.
    and (".engines.torch." not in name or importlib.util.find_spec("torch"))
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    results = doctest.testmod(module, extraglobs={"np": np}, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0


def test_there_are_examples() -> None:
    found = doctest.DocTestFinder().find(importlib.import_module("manual_vs_auto.rules.softmax"))
    assert sum(len(test.examples) for test in found) >= 2


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for key, member in vars(module).items():
        public = not key.startswith("_") and getattr(member, "__module__", None) == name
        if public and (inspect.isfunction(member) or inspect.isclass(member)):
            assert member.__doc__, f"{name}.{key}"


def test_rules_name_their_equation() -> None:
    parts = [part for rule in RULES[:6] for part in (rule.primal, rule.jacobian, rule.jvp, rule.bwd)]
    for part in [*parts, compose, product, model.logits, model.loss, manual.value_and_grad, auto.value_and_grad]:
        assert "Source:" in (part.__doc__ or ""), part
        assert "notes (" in (part.__doc__ or ""), part
    assert all(rule.equation.startswith("notes (") for rule in RULES)
