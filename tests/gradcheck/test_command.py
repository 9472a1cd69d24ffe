"""The command: what it finds, what it prints, and how it ends."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from manual_vs_auto import fused, rules
from manual_vs_auto.rules import LINEAR, SQUARED_DISTANCE
from tests.gradcheck.commands import RIGHT, WRONG, Command, file

FORMS = """
import jax, jax.numpy as jnp

def area(x): return jnp.sum(x ** 2)
def area_grad(x): return 2 * x

def scale(x, y): return x * y
def scale_vjp(ct, x, y): return ct * y, ct * x

def wave(x): return jnp.sin(x)
def wave_jvp(primals, tangents): return jnp.cos(primals[0]) * tangents[0]

def power(x): return x ** 3
def power_fwd(x): return x ** 3, x
def power_bwd(x, ct): return (3 * x ** 2 * ct,)

@jax.custom_vjp
def own(x): return x ** 4
own.defvjp(lambda x: (x ** 4, x), lambda x, ct: (4 * x ** 3 * ct,))

@jax.custom_jvp
def forward(x): return jnp.exp(x)
forward.defjvp(lambda p, t: (forward(*p), forward(*p) * t[0]))

def unpaired(x): return x
"""


def test_every_form_of_a_pair_is_found(command: Command) -> None:
    done = command(file(FORMS), "--json")
    assert done.status == 0, done
    assert sorted((report["name"], report["kind"]) for report in done.reports) == [
        ("area", "gradient"), ("forward", "custom_jvp"), ("own", "custom_vjp"), ("power", "vjp"), ("scale", "vjp"),
        ("wave", "jvp"),
    ]  # fmt: skip
    assert {report["verdict"] for report in done.reports} == {"AGREE"}


@pytest.mark.parametrize("name", ["scale", "power", "own"])
def test_a_name_finds_its_own_pair(name: str, command: Command) -> None:
    done = command(f"{file(FORMS)}:{name}", "--json")
    assert (done.status, [report["name"] for report in done.reports]) == (0, [name]), done


def test_a_wrong_one_is_exit_1(command: Command) -> None:
    done = command(file(WRONG))
    assert (done.status, done.err) == (1, "")
    assert done.out.startswith("DISAGREE  f  gradient wrt x\n")
    assert "cause    it is 1.5 times the right one" in done.out
    assert "AGREE  g  gradient wrt x" in done.out
    assert "a guess: give --inputs" in done.out


def test_one_without_an_answer_is_exit_2(command: Command) -> None:
    done = command(file("""
        import numpy as np
        def f(x): return float(np.sum(np.log(np.asarray(x))))
        def f_grad(x): return 1 / np.asarray(x)
        def f_inputs(): return np.array([-1.0, -2.0])
    """))  # fmt: skip
    assert (done.status, done.err) == (2, "")
    assert done.out.startswith("INCONCLUSIVE  f")
    assert "not finite" in done.out


def test_json_holds_the_whole_report(command: Command) -> None:
    done = command(file(WRONG), "--json", "--seed", 5)
    assert done.status == 1
    (wrong, right) = done.reports
    assert (wrong["verdict"], wrong["diagnosis"]["kind"], wrong["seed"]) == ("DISAGREE", "factor", 5)
    (leaf,) = wrong["leaves"]
    assert (leaf["name"], leaf["verdict"]) == ("x", "DISAGREE")
    assert leaf["manual"] == pytest.approx(1.5 * leaf["reference"])
    assert leaf["ulp"] > leaf["bound"] > 0
    assert isinstance(leaf["index"], list)
    assert {"finite differences", "complex step"} <= {witness["name"] for witness in wrong["witnesses"]}
    assert {witness["says"] for witness in wrong["witnesses"]} <= {"AGREE", "DISAGREE", "ABSTAINS"}
    assert "print(f_grad(x))" in wrong["minimal"]["code"]
    assert wrong["cost"] is None
    assert (right["verdict"], right["diagnosis"], right["minimal"]) == ("AGREE", None, None)


def test_json_has_no_infinity(command: Command) -> None:
    done = command(file("""
        import jax.numpy as jnp
        def f(x): return jnp.sum(jnp.logaddexp(x, 0.0))
        def f_grad(x): return jnp.exp(x) / (1 + jnp.exp(x))
    """), "--json")  # fmt: skip
    assert (done.status, done.reports[0]["diagnosis"]["kind"]) == (1, "overflow")


def test_the_seed_repeats_the_report(command: Command) -> None:
    path = file("""
        import jax.numpy as jnp
        def f(W, x): return W @ x
        def f_vjp(ct, W, x): return jnp.outer(ct, x), W @ ct
        def make_inputs(): return jnp.array([[1.0, 2.0], [2.0, 3.0]]), jnp.array([0.3, 0.7])
    """)
    texts = []
    for seed in (3, 3, 4):
        done = command(path, "--seed", seed)
        assert done.status == 1
        texts.append(done.out.splitlines())
    assert texts[0] == texts[1]
    assert any("seed 3" in line for line in texts[0])
    assert any("seed 4" in line for line in texts[2])


def test_one_function_against_another(command: Command) -> None:
    path = file("""
        import jax.numpy as jnp
        class Held:
            @staticmethod
            def loss(x): return jnp.sum(x ** 2)
        def twice(x): return 2 * x
        def push_jvp(p, t): return 2 * jnp.sum(p[0] * t[0])
        def pull_vjp(ct, x): return (3 * ct * x,)
    """)
    done = command(f"{path}:Held.loss", "--against", f"{path}:twice")
    assert (done.status, done.err) == (0, "")
    assert command("target:Held.loss", "--against", "target:twice").status == 0
    assert command(f"{path}:Held.loss", "--against", f"{path}:push_jvp").status == 0
    assert command(f"{path}:Held.loss", "--against", f"{path}:pull_vjp").status == 1


@pytest.mark.parametrize("wrapped", ["f", "jax.jit(f)", "lambda x: 2 * f(x)"])
def test_one_function_with_a_rule_of_its_own(wrapped: str, command: Command) -> None:
    path = file(f"""
        import jax
        f = jax.custom_vjp(lambda x: x ** 2)
        f.defvjp(lambda x: (x ** 2, x), lambda x, ct: (3 * x * ct,))
        target = {wrapped}
    """)
    done = command(f"{path}:target")
    assert (done.status, done.err) == (1, "")
    assert "it is 1.5 times the right one" in done.out


INPUTS = {
    "a function": ("def make(): return np.array([1.0, 2.0]), 3", "--inputs"),
    "a function of the name": ("def make(name): return {'f': (np.array([1.0, 2.0]), 3)}[name]", "--inputs"),
    "a dict by name": ("make = {'f': (np.array([1.0, 2.0]), 3), 'other': (1.0, 2)}", "--inputs"),
    "a tuple": ("make = np.array([1.0, 2.0]), 3", "--inputs"),
    "f_inputs": ("def f_inputs(): return np.array([1.0, 2.0]), 3", ""),
    "make_inputs": ("def make_inputs(name): return np.array([1.0, 2.0]), 3", ""),
}


@pytest.mark.parametrize("name", INPUTS)
def test_inputs(name: str, command: Command) -> None:
    """The power has no guess that would do, and the sample's is an integer."""
    maker, flag = INPUTS[name]
    path = file(f"""
        import numpy as np
        def f(x, n):
            assert type(n) is int
            return float(np.sum(np.asarray(x) ** n))
        def f_grad(x, n): return n * np.asarray(x) ** (n - 1)
        {maker}
    """)
    done = command(path, *([flag, f"{path}:make"] if flag else []))
    assert (done.status, done.err) == (0, "")
    assert "note     inputs: " in done.out


def test_rules_that_have_static_arguments(command: Command) -> None:
    """JAX gives them to the backward function first."""
    done = command(file("""
        import jax, jax.numpy as jnp
        from functools import partial
        @partial(jax.custom_vjp, nondiff_argnums=(1,))
        def f(x, n): return x ** n
        def f_fwd(x, n): return x ** n, x
        def f_bwd(n, x, ct): return (n * x ** (n - 1) * ct,)
        f.defvjp(f_fwd, f_bwd)
        def f_inputs(): return jnp.array([1.0, 2.0]), 3
    """))  # fmt: skip
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("AGREE  f  ")


def test_a_file_is_run_once(command: Command) -> None:
    """Its classes would be others the second time."""
    path = file("""
        from typing import NamedTuple
        import jax.numpy as jnp
        class P(NamedTuple):
            x: object
        def f(p):
            assert isinstance(p, P)
            return jnp.sum(p.x ** 2)
        def g(p):
            assert isinstance(p, P)
            return P(2 * p.x)
        def make(): return P(jnp.array([1.0, 2.0]))
        with open("runs", "a") as runs:
            runs.write("run ")
    """)
    done = command(f"{path}:f", "--against", f"{path}:g", "--inputs", f"{path}:make")
    assert (done.status, done.err) == (0, "")
    assert Path("runs").read_text() == "run "


def test_a_picture_of_the_one_that_disagrees(command: Command) -> None:
    path = file(WRONG.replace("3 *", "2 *").replace("def g_grad(x): return 2", "def g_grad(x): return 4"))
    assert command(path, "--plot", "picture.svg").status == 1
    assert "DISAGREE  g, gradient, x" in Path("picture.svg").read_text()
    assert command(path, "--plot", "picture.png", "--json").status == 1
    assert Path("picture.png").read_bytes().startswith(b"\x89PNG")


def test_the_rules_of_the_notes(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them, and one mode of the fused loss, where saturated rows are hardest: all take more than a minute."""
    monkeypatch.setattr(rules, "RULES", (LINEAR, SQUARED_DISTANCE))
    monkeypatch.setattr(fused, "MODES", fused.MODES[1:2])
    done = command()
    assert (done.status, done.err) == (0, "")
    head, *rows, last = done.out.splitlines()
    assert head.split() == ["rule", "equation", "form", "verdict", "witnesses", "worst,", "ulp", "bound", "seconds"]
    assert last == f"{len(rows)} of {len(rows)} agree"
    assert all(LINEAR.name in row and LINEAR.equation in row for row in rows[:3])
    for form in ("vjp", "jvp", "jacobian"):
        assert sum(f" {form} " in row for row in rows) == 2
    assert [row.split()[:2] for row in rows[6:]] == [["squared_distance", "recompute"]]


def test_the_cost_where_it_is_asked_for(command: Command) -> None:
    path = file("""
        import jax.numpy as jnp
        def f(x): return jnp.sum(x ** 2)
        def f_grad(x): return 2 * x
    """)
    assert "  cost " not in command(path).out
    assert "  cost     manual " in command(path, "--cost").out
    assert command(path, "--cost", "--json").reports[0]["cost"]["auto_seconds"] > 0


def test_a_quick_check_says_what_it_leaves_out(command: Command) -> None:
    done = command(file(RIGHT), "--effort", "quick")
    assert (done.status, done.err) == (0, "")
    assert "; left out by effort='quick': " in done.out
    assert "left out" not in command(file(RIGHT)).out


JUDGED = """
import numpy as np
def a(x): return float(np.sum(np.asarray(x) ** 2))
def a_grad(x): return 2 * np.asarray(x)
def b(x): return float(np.sum(np.asarray(x) ** 2))
def b_grad(x): return 3 * np.asarray(x)
def c(x): return float(np.sum(np.log(np.asarray(x))))
def c_grad(x): return 1 / np.asarray(x)
def c_inputs(): return np.array([-1.0])
"""


def test_junit_has_a_case_a_pair(command: Command) -> None:
    done = command(file(JUDGED), "--junit", "junit.xml", "--json")
    assert (done.status, done.err) == (1, "")
    (suite,) = ET.parse("junit.xml").getroot()
    assert [suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")] == ["3", "1", "1", "0"]
    right, wrong, open_ = suite
    assert [case.attrib["classname"] for case in suite] == ["target"] * 3
    assert [case.attrib["name"] for case in suite] == ["a gradient", "b gradient", "c gradient"]
    assert all(float(case.attrib["time"]) >= 0 for case in suite)
    assert [[part.tag for part in case] for case in suite] == [[], ["failure"], ["error"]]
    assert wrong[0].attrib == {"message": "DISAGREE  b  gradient wrt x", "type": "DISAGREE"}
    assert "cause    it is 1.5 times the right one" in str(wrong[0].text)
    assert str(open_[0].text).startswith("INCONCLUSIVE  c")
    assert len(right) == 0


def test_junit_of_the_rules_of_the_notes(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "RULES", (SQUARED_DISTANCE,))
    monkeypatch.setattr(fused, "MODES", ())
    assert command("--junit", "junit.xml", "--effort", "quick").status == 0
    (suite,) = ET.parse("junit.xml").getroot()
    expected = [f"{SQUARED_DISTANCE.name} {SQUARED_DISTANCE.equation} {form}" for form in ("vjp", "jvp", "jacobian")]
    assert [case.attrib["name"] for case in suite] == expected


@pytest.mark.parametrize(("text", "status"), [(RIGHT, 3), (WRONG, 1)])
def test_junit_that_can_not_be_written(text: str, status: int, command: Command) -> None:
    """What is wrong stays wrong; what is right was not written down."""
    done = command(file(text), "--junit", "nowhere/junit.xml")
    assert done.status == status
    assert done.err.startswith("manual_vs_auto.gradcheck: error: no JUnit file: ")
    assert done.err.count("\n") == 1
