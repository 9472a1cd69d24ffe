"""The figures are those that the code draws, and another drawing is seen."""

import re
from pathlib import Path

import pytest

from manual_vs_auto.notes.figures import FIGURES, FOLDER, differ, main
from tests.notes.drawings import same


def test_the_folder_holds_the_figures_and_nothing_else() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.svg" for name in FIGURES}


@pytest.mark.parametrize("name", [name for name in FIGURES if not name.startswith("mistake-")])
def test_a_figure_is_the_one_that_the_code_draws(name: str) -> None:
    same(name)  # those of mistakes: in test_gallery


def test_another_drawing_is_seen() -> None:
    svg = (FOLDER / "plateau.svg").read_text()
    assert not differ("plateau", svg, svg)
    assert differ("plateau", svg, svg.replace("L ", "M ", 1))
    (point,) = re.findall(r"L (\d+\.\d+) ", svg)[:1]
    moved = {by: svg.replace(f"L {point} ", f"L {float(point) + by:.6f} ", 1) for by in (0.01, 1.0)}
    assert not differ("plateau", svg, moved[0.01])
    assert differ("plateau", svg, moved[1.0])
    assert not differ("differences", svg, moved[1.0])
    pixels = (FOLDER / "weights.svg").read_text()
    first, second, *_ = re.findall(r"base64,([^\"]+)", pixels)
    assert differ("weights", pixels, pixels.replace(first, second, 1))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["jacobian", "--out", str(tmp_path)]
    assert main([*out, "--check"]) == 1
    assert main(out) == 0
    assert main([*out, "--check"]) == 0
    (tmp_path / "jacobian.svg").write_text("<svg></svg>")
    assert main([*out, "--check"]) == 1
    with pytest.raises(SystemExit) as refused:
        main(["nothing"])
    assert refused.value.code == 2
    assert "no figure 'nothing'" in capsys.readouterr().err
