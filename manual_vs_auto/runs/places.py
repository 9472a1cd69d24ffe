"""Where a run's data were when it began: its config.toml says so, for a run that begins or goes on from elsewhere."""

from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import Any


def absolute(text: str) -> str:
    """A path from the root, whatever stands behind it: `x.npz:x` is FOLDER/x.npz:x."""
    return str(Path(text).absolute())


def found(value: Any, place: Any) -> Any:
    """What a setting says of where data are: as it stands, if it leads there, or if nothing is there any more.

    Args:    value: text, or a list with text in it. place: the same with paths from the root, as the run began.
    Returns: one of them, of a list item by item.
    """
    if isinstance(value, Sequence) and not isinstance(value, str):
        fits = isinstance(place, list) and len(place) == len(value)
        return [found(*pair) for pair in zip(value, place, strict=True)] if fits else value
    if not isinstance(value, str) or not isinstance(place, str) or absolute(value) == place:
        return value
    return value if _leads(value) and not _leads(place) else place


def _leads(text: str) -> bool:
    """Whether something is there: a file, FILE:NAME, a directory, or DIR/PREFIX of some files."""
    path = Path(text)
    file = Path(text.rpartition(":")[0] or text)
    return path.exists() or file.exists() or any(path.parent.glob(f"{escape(path.name)}*"))
