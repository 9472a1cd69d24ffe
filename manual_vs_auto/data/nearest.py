"""What somebody may have meant who wrote a name that is not there."""

import difflib
from collections.abc import Collection


def nearest(name: str, held: Collection[str]) -> str:
    """The names that are most like this one, or else the first of them, for an error's end."""
    if close := difflib.get_close_matches(name, list(held), n=3):
        return ", ".join(close)
    return ", ".join(sorted(held)[:8]) + (", ..." if len(held) > 8 else "")
