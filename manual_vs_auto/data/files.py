"""The files of a data set in a directory, by the names that the MNIST family gives them."""

import re
from collections import defaultdict
from pathlib import Path

from manual_vs_auto.data.source import DataError

_ROLES = ("train-images", "train-labels", "test-images", "test-labels")
_FILE = re.compile(
    r"(?:(?P<prefix>[^.].*)-)?(?P<split>train|t10k|test)-(?P<what>images|imgs|labels)"
    r"(?P<suffix>[.-]idx\d-[a-z]+(?:\.gz)?|\.npz)"
)


def find(root: Path) -> tuple[Path, ...]:
    """The four files of one data set: training images and labels, test images and labels.

    Args:   root: a directory, or one followed by a prefix of the names in it, `emnist/emnist-letters`.
    Raises: DataError where there is no set, or more than one. OSError.
    """
    directory, prefix = (root, None) if root.is_dir() else (root.parent, root.name)
    sets = _sets(directory)
    names = ", ".join(sorted(str(directory / key) for key in sets)) or "none"
    if prefix is not None and prefix not in sets:
        found = "neither a file nor a directory" if root.exists() else "nothing there"
        raise DataError(root, found, f"a directory, an .npz archive, or one of the data sets here: {names}")
    if prefix is None and len(sets) > 1 and "" not in sets:
        raise DataError(root, f"{len(sets)} data sets ({names})", "one, or one of these names as the path")
    chosen = sets[prefix or ""] if prefix or "" in sets else next(iter(sets.values()), {})
    missing = [role for role in _ROLES if role not in chosen]
    if missing:
        held = ", ".join(file.name for file in chosen.values()) or "no IDX file"
        raise DataError(root, held, f"also {', '.join(missing)}, named like train-images-idx3-ubyte.gz")
    return tuple(chosen[role] for role in _ROLES)


def _sets(directory: Path) -> dict[str, dict[str, Path]]:
    """By prefix and role. Hidden files, as macOS puts beside others (._train-images-...), are none."""
    sets: dict[str, dict[str, Path]] = defaultdict(dict)
    for file in sorted(directory.iterdir(), reverse=True):  # x.gz before x: the unpacked one is kept
        if (match := _FILE.fullmatch(file.name)) and not file.is_dir():
            split = "train" if match["split"] == "train" else "test"
            role = f"{split}-{match['what'].replace('imgs', 'images')}"
            files = sets[match["prefix"] or ""]
            held = files.setdefault(role, file)
            if held.name.removesuffix(".gz") != file.name.removesuffix(".gz"):
                raise DataError(directory, f"{file.name} and {held.name}", "one of them")
            files[role] = file
    return sets
