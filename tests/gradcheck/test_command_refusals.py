"""How the command refuses: exit status 3, with the reason in one line and no traceback; and how it helps."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.gradcheck.commands import ENVIRONMENT, RIGHT, WRONG, Command, file, refused

FLAGS: dict[str, tuple[list[str], str]] = {
    "no budget": (["--budget", "0"], "--budget: 0: more than 0 seconds"),
    "a negative budget": (["--budget=-1"], "--budget"),
    "an endless budget": (["--budget", "inf"], "--budget"),
    "a budget that is no number": (["--budget", "nan"], "--budget"),
    "a budget in words": (["--budget", "soon"], "--budget: soon"),
    "a negative seed": (["--seed=-1"], "--seed: -1: 0 or more"),
    "a seed in words": (["--seed", "lucky"], "--seed: lucky"),
    "half a seed": (["--seed", "0.5"], "--seed: 0.5"),
    "no such effort": (["--effort", "some"], "--effort: invalid choice: 'some'"),
    "a cache in a file": (
        ["target.py", "--cache", "target.py"],
        "cache='target.py': no folder that can be written: File exists",
    ),
    "a cache in no place": (["target.py", "--cache", ""], "cache='': the path of a folder"),
    "an unknown flag": (["--tolerance", "1e-3"], "--tolerance"),
    "a flag without its value": (["--plot"], "--plot: expected one argument"),
    "against nothing": (["--against", "target.py:f_grad"], "--against goes with a target of the form module:f"),
    "an unknown file": (["nowhere.py"], "nowhere.py: no such file"),
    "an unknown module": (["no.such.module"], "No module named 'no'"),
    "a directory": (["."], "."),
    "an unknown name": (["target.py:h"], "target.py has no 'h'; it has f, f_grad, g, g_grad"),
    "an unknown rule": (["target.py:f", "--against", "target.py:h_grad"], "target.py has no 'h_grad'"),
    "a rule without a module": (["target.py:f", "--against", "f_grad"], "'f_grad': expected module:name"),
    "no name": (["target.py:"], "'target.py:': expected module:name or file.py:name"),
    "no module": ([":f"], "expected module:name"),
    "a function alone": (["target.py:np.sin"], "say --against"),
    "what is no function": (["target.py:np"], "target.py:np"),
    "a rule that is no function": (["target.py:f", "--against", "target.py:np"], "not callable"),
    "unknown inputs": (["target.py", "--inputs", "target.py:make"], "target.py has no 'make'"),
    "inputs of nowhere": (["target.py", "--inputs", "nowhere.py:make"], "nowhere.py: no such file"),
}


@pytest.mark.parametrize("name", FLAGS)
def test_flags_that_can_not_be_followed(name: str, command: Command) -> None:
    flags, expected = FLAGS[name]
    file(RIGHT)
    done = command(*flags)
    refused(done, expected)
    assert "_whole" not in done.err
    assert "_seconds" not in done.err


def test_against_without_a_function_in_the_target(command: Command) -> None:
    refused(command(file(RIGHT), "--against", "target.py:f_grad"), "a target of the form module:f")


IMPORTS = {
    "an error": ("x = 1\nraise ValueError('not today')", "ValueError: not today"),
    "an error without words": ("raise RuntimeError", "RuntimeError"),
    "an error of its own": ("class Own(Exception): pass\nraise Own('own words')", "Own: own words"),
    "no such module": ("import no_such_module_here", "ModuleNotFoundError: No module named 'no_such_module_here'"),
    "no such name": ("from json import nothing", "ImportError: cannot import name 'nothing' from 'json'"),
    "no Python": ("def f(:", "SyntaxError: "),
    "bad indentation": ("def f():\nreturn 1", "IndentationError: expected an indented block"),
    "a failed assertion": ("assert 1 == 2, 'sums'", "AssertionError: sums"),
    "an end": ("raise SystemExit('enough')", "SystemExit: enough"),
    "an end in peace": ("import sys\nsys.exit(0)", "SystemExit: 0"),
    "an error deep inside": ("def g(): return {}['key']\ng()", "KeyError: 'key'"),
}


@pytest.mark.parametrize("target", ["target.py", "target", "target:f", "target.py:f"])
@pytest.mark.parametrize("name", IMPORTS)
def test_what_fails_to_import_is_refused_with_the_last_line_of_its_traceback(
    name: str, target: str, command: Command
) -> None:
    text, expected = IMPORTS[name]
    file(text)
    refused(command(target), expected)


FILES: dict[str, tuple[str, str]] = {
    "no pair": ("def f(x): return x\ndef g_grad(x): return x", "target.py: no pair found; f goes with f_grad"),
    "an empty file": ("", "no pair found"),
    "numbers only": ("f = 3\nf_grad = 4", "no pair found"),
    "no guess that f takes": (
        "def f(x): return {'a': 1.0}[x]\ndef f_grad(x): return x",
        "no inputs for f: give --inputs module:make_inputs, or define f_inputs()",
    ),
    "no scalar to guess": ("def f(x): return [x, x]\ndef f_grad(x): return x", "no inputs for f"),
    "inputs that raise": (RIGHT + "def f_inputs(): return 1 / 0", "ZeroDivisionError: division by zero"),
    "inputs that f refuses": (RIGHT + "def f_inputs(): return 'abc'", "f: nothing to differentiate"),
    "too many inputs": (RIGHT + "def f_inputs(): return 1.0, 2.0", "f on its inputs (f_inputs): TypeError: f() takes"),
    "a complex loss": (
        "import numpy as np\ndef f(x): return np.sum(x ** 2)\ndef f_grad(x): return 2 * x\nf_inputs = np.array([1j])",
        "f: f must return one real number",
    ),
    "inputs of a vector": (
        "import numpy as np\ndef f(x): return 2 * np.asarray(x)\ndef f_grad(x): return 2\nf_inputs = np.ones(3)",
        "f: f must return one floating number",
    ),
    "a rule that raises": (
        WRONG.replace("return 3 *", "return {}['slope'] *"), "f on its inputs (normal numbers of shapes (4,), a guess"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_that_can_not_be_judged(name: str, command: Command) -> None:
    text, expected = FILES[name]
    refused(command(file(text)), expected)


PICTURES: dict[str, tuple[str, str]] = {
    "no such folder": ("nowhere/picture.svg", "nowhere"),
    "no such format": ("picture.xyz", "xyz"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_that_can_not_be_drawn(name: str, command: Command) -> None:
    """The report is printed nevertheless."""
    path, expected = PICTURES[name]
    done = command(file(RIGHT), "--plot", path)
    assert done.status == 3
    assert done.out.startswith("AGREE  f")
    assert done.err.count("\n") == 1
    assert done.err.startswith("manual_vs_auto.gradcheck: error: ")
    assert expected in done.err


def test_a_picture_of_nothing(command: Command) -> None:
    """A wrong shape stays a disagreement, though there is nothing to draw."""
    done = command(file(WRONG.replace("3 * np.asarray(x)", "np.ones(7)")), "--plot", "picture.svg")
    assert done.status == 1
    assert done.out.startswith("DISAGREE  f")
    assert "nothing to draw" in done.err
    assert done.err.count("\n") == 1


def test_a_picture_without_matplotlib(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = command(file(RIGHT), "--plot", "picture.svg")
    assert done.status == 3
    assert "a picture needs matplotlib: pip install matplotlib" in done.err


def test_the_process_ends_so_too(tmp_path: Path) -> None:
    """Once as its users start it: refused, and wrong."""
    (tmp_path / "broken.py").write_text("raise ValueError('not today')\n")
    (tmp_path / "target.py").write_text(WRONG)
    found = []
    for target in ("broken.py", "target.py"):
        done = subprocess.run(
            [sys.executable, "-m", "manual_vs_auto.gradcheck", target],
            capture_output=True, text=True, timeout=120, env=ENVIRONMENT, check=False, cwd=tmp_path,
        )  # fmt: skip
        found.append((done.returncode, done.stdout[:11], done.stderr))
    error = "manual_vs_auto.gradcheck: error: broken.py can't be imported: ValueError: not today\n"
    assert found == [(3, "", error), (1, "DISAGREE  f", "")]


def test_help_starts_without_jax() -> None:
    code = """
import sys
from manual_vs_auto.gradcheck.__main__ import main
try:
    main(["--help"])
except SystemExit as left:
    print(left.code, sorted({name.split(".")[0] for name in sys.modules} & {"jax", "jaxlib", "matplotlib"}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: python -m manual_vs_auto.gradcheck")
    assert "exit status: 0 all agree, 1 one disagrees" in done.stdout
    assert done.stdout.splitlines()[-1] == "0 []"


@pytest.mark.parametrize("np", ["numpy", "jax.numpy"])
@pytest.mark.parametrize(
    ("returned", "verdict"),
    [
        ("{'a': np.sin(x), 'b': x}", "AGREE"),
        ("{'a': np.sin(x) * (1 + 1e-12), 'b': x}", "AGREE"),
        ("{'a': np.sin(x), 'b': x + 1e-3}", "the rule's forward does not return what the function returns"),
        ("{'a': np.sin(x)}", "has not the structure and shapes"),
        ("{'a': np.sin(x), 'b': x[:1]}", "has not the structure and shapes"),
    ],
)
def test_a_forward_that_does_not_return_what_f_returns(np: str, returned: str, verdict: str, command: Command) -> None:
    """Whoever makes one function of f, f_fwd and f_bwd gets other values as soon as he differentiates it."""
    done = command(file(f"""
        import {np} as np
        def f(x): return {{'a': np.sin(x), 'b': x}}
        def f_fwd(x): return {returned}, x
        def f_bwd(x, ct): return (ct['a'] * np.cos(x) + ct['b'],)
        def f_inputs(): return np.array([0.3, -1.2], 'float64'),
    """))  # fmt: skip
    assert (done.status, done.err) == (0 if verdict == "AGREE" else 1, "")
    assert verdict in done.out


@pytest.mark.parametrize("np", ["numpy", "jax.numpy"])
@pytest.mark.parametrize(
    ("returned", "verdict"),
    [
        ("np.sin(x), t * np.cos(x)", "AGREE"),
        ("t * np.cos(x)", "AGREE"),
        ("np.sin(x) + 1e-3, t * np.cos(x)", "the rule's forward does not return what the function returns"),
        ("np.sin(x[:1]), t * np.cos(x)", "has not the structure and shapes"),
    ],
)
def test_a_jvp_that_does_not_return_what_f_returns(np: str, returned: str, verdict: str, command: Command) -> None:
    done = command(file(f"""
        import {np} as np
        def f(x): return np.sin(x)
        def f_jvp(primals, tangents):
            (x,), (t,) = primals, tangents
            return {returned}
        def f_inputs(): return np.array([0.3, -1.2], 'float64'),
    """))  # fmt: skip
    assert (done.status, done.err) == (0 if verdict == "AGREE" else 1, "")
    assert verdict in done.out
