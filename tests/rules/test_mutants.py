"""The tester is tested: no wrong rule passes it."""

import numpy as np
import pytest

from manual_vs_auto.rules import Rule, one_hot
from tests.rules.mutants import MUTANTS, Mutant, mutated
from tests.rules.tester import check_in_numpy


def _check(rule: Rule) -> None:
    """NumPy's witnesses are enough, and compile nothing; large logits are for what only overflows."""
    for batch in [(3,), ()]:
        primals = rule.samples(np.random.default_rng(0), batch)
        check_in_numpy(rule, primals, batch)
        assert np.all(np.isfinite(rule.primal(*(p * 1e4 if p.dtype.kind == "f" else p for p in primals))))
        if "labels" in rule.primals:
            targets = one_hot(primals[-1], np.zeros((*batch, 4))) * 0.7  # most are 0, and they do not sum to 1
            check_in_numpy(rule, (*primals[:-1], targets), batch)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.file}: {m.right} -> {m.wrong}")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_mutant_is_found(mutant: Mutant) -> None:
    with mutated(mutant) as rules:
        for rule in rules.RULES:
            try:
                _check(rule)
            except (AssertionError, ValueError, TypeError):
                return
    pytest.fail("no check found it")


def test_the_unbroken_rules_pass() -> None:
    """The same way of importing, with nothing changed: what the mutants fail at is the mutation."""
    with mutated(Mutant("softmax", "def softmax(logits", "def softmax(logits")) as rules:
        for rule in rules.RULES:
            _check(rule)
