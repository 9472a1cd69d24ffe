"""Whether a kept figure is the one that the code draws."""

import matplotlib
import pytest

from manual_vs_auto.notes.figures import FOLDER, differ, drawn, version


def same(name: str) -> None:
    """Skipped where another Matplotlib drew it: that one draws the same figure differently."""
    kept = (FOLDER / f"{name}.svg").read_text()
    if version(kept) != matplotlib.__version__:
        pytest.skip(f"drawn by Matplotlib {version(kept)}, and here is {matplotlib.__version__}")
    assert not differ(name, kept, drawn(name))
