"""A command line that is wrong, told in one line."""

import argparse
import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """argparse, but what is wrong is one line, and a flag that is none gets the nearest that is."""

    _typed: Sequence[str] = ()

    def parse_known_args(  # type: ignore[override]  # typeshed overloads it for other kinds of namespaces
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse does."""
        self._typed = sys.argv[1:] if args is None else args
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Exit with 2 and one line."""
        self.exit(2, f"{self.prog.removeprefix('python -m ')}: error: {message}{self._meant()} (see --help)\n")

    def _meant(self) -> str:
        """The flag that was typed wrong, if one was: its absence may be what argparse complains of."""
        import difflib

        flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
        own = takewhile(lambda word: word != "--", self._typed)  # what is behind it is for another command
        for typed in (word.partition("=")[0] for word in own if word.startswith("--")):
            if typed not in flags and (near := difflib.get_close_matches(typed, flags, 1)):
                return f"; did you mean {near[0]} for {typed}?"
        return ""
