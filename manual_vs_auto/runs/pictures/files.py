"""`--plot`: a run's pictures as files beside it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from manual_vs_auto.runs import files
from manual_vs_auto.runs.kept import Kept, read
from manual_vs_auto.runs.pictures import judged
from manual_vs_auto.runs.pictures.curves import CURVES
from manual_vs_auto.runs.pictures.style import Draw, png, require

FOLDER = "pictures"


def write(directory: Path) -> list[Path]:
    """Draw all that a run has left, as pictures/NAME.png in its directory, and return the files.

    Raises: UsageError where matplotlib is missing or the directory holds no run; OSError where one can't be written.
    """
    require()
    run = read(directory)
    return [keep(directory, name, draw) for name, draw in drawings(run)]


def keep(directory: Path, name: str, draw: Draw) -> Path:
    """Draw pictures/NAME.png in the directory, whole or not at all, and return the file. Raises: OSError."""
    folder = directory / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    aside = files.partial(path)
    try:
        files.write(aside, png(draw))
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path


def drawings(run: Kept) -> Iterator[tuple[str, Draw]]:
    """A name and what draws it, for each picture that the run has something for."""
    for name, (draw, has) in CURVES.items():
        if has(run):
            yield name, partial(draw, [run])
    if run.model is not None and judged.has_weight_images(run):
        yield "weights", partial(judged.weights, run.model)
    if (evaluation := run.evaluation) is None:
        return
    yield "calibration", partial(judged.calibration, [run])
    if evaluation.confusion:
        yield "confusion", partial(judged.confusion, evaluation)
    if any(mistake.picture for mistake in evaluation.mistakes):
        yield "mistakes", partial(judged.mistakes, evaluation)
