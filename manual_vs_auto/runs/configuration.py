"""Where a command's settings come from: flags over a file of TOML over defaults.

`Parser` is argparse's, with `--config FILE.toml` beside the flags that a command adds. The file's keys are the flags'
names, with underscores or hyphens; a value goes through the flag's own type and choices, so that it is right or wrong
as the flag would be: a number may stand in quotation marks, a text must, and a list is its items with commas between
them. A path is taken from where the command runs, as the flag's is. A run's config.toml is such a file. Its table [run]
says how the run came about: its command must be the one that reads it, its data are looked for where they were and
must be the same; the rest is for people.
"""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from manual_vs_auto.runs import parsing, places
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.toml import kind
from manual_vs_auto.runs.values import path

_LARGEST = 1 << 20  # bytes of a file that somebody may have written
_LONGEST = 200  # characters of what is quoted


class Parser(parsing.Parser):
    """argparse, but what is wrong is one line, a switch has a --no- beside it, and `--config` names a file of flags.

    Args: command: what this is the parser of, "train": a run of another command's is refused.
          prog, description, epilog: as argparse takes them.
          data: the flags that say which data these are; `seed` beside `val` does so, too.

    expected: the SHA-256 of the data that a run's own file asks for, and how to say which file it was; None where no
              such file has been read, or where the command line asks for other data.
    """

    def __init__(self, command: str, prog: str, description: str, epilog: str, data: Sequence[str] = ()) -> None:
        super().__init__(prog=prog, description=description, epilog=epilog, allow_abbrev=False)
        self._command, self._data = command, data
        self.expected: tuple[str, str] | None = None
        self._run: Mapping[str, Any] = {}  # of the file
        self.register("action", "store_true", _Switch)
        self.register("action", "store_false", partial(_Switch, default=True))
        self.add_argument(
            "--config",
            type=path,
            metavar="FILE.toml",
            help="take flags from a file, by their names: batch_size = 64; what is given here comes before it, and a "
            "run's own config.toml gives the same run again",
        )

    def parse_known_args(  # type: ignore[override]  # typeshed overloads it for other kinds of namespaces
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse does, with the file's values where no flag is given. `config` itself isn't among them."""
        file, taken = self.first("--config", args), dict[str, Any]()
        if file is not None:
            namespace = namespace or argparse.Namespace()
            for action, value in self._from(file):
                taken[action.dest] = value
                setattr(namespace, action.dest, value)
                action.required = False
                if not action.option_strings:  # one without a flag: argparse takes its default where it is left out
                    action.default, action.nargs = value, "*" if isinstance(value, list) else "?"
        found, rest = super().parse_known_args(args, namespace)
        del found.config
        if file is not None and isinstance(data := self._run.get("data_sha256"), str):
            which = [*self._data, *(["seed"] if "val" in self._data and found.val else [])]
            same = all(getattr(found, name) == taken.get(name, self.get_default(name)) for name in which)
            self.expected = (data, f"--config {file}") if same else None
        return found, rest

    def table(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A command's values as a file has them: `toml.dumps` takes it, and --config reads the same values from it.

        Args:    values: by the flags' names; one that is no flag's is left out.
        Returns: paths as text, tuples as lists. A default that its flag would not take, 0 epochs say, is left out: it
                 says that nothing was asked for.
        """
        table = {}
        for name, action in self._settable().items():
            if name not in values:
                continue
            value = values[name]
            value = str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
            try:
                self._converted(action, value)
            except argparse.ArgumentError:
                if values[name] != action.default:
                    raise
            else:
                table[name] = value
        return table

    def _settable(self) -> dict[str, argparse.Action]:
        return {action.dest: action for action in self._actions if action.dest not in ("help", "config")}

    def first(self, flag: str, args: Sequence[str] | None) -> Path | None:
        """What a flag names, before the others are read; None where it is not given or help is asked for."""
        alone = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        alone.add_argument("-h", "--help", action="store_true")
        alone.add_argument(flag, type=path, dest="named")
        try:
            found, _ = alone.parse_known_args(args)
        except argparse.ArgumentError as error:
            self.error(str(error))
        return None if found.help else found.named

    def _from(self, file: Path) -> list[tuple[argparse.Action, Any]]:
        """The file's values, each with the flag that it stands for. Ends the command where one is wrong."""
        actions = self._settable()
        found: dict[str, tuple[argparse.Action, Any]] = {}
        try:
            table = read(file)
            if isinstance(table.get("run"), Mapping):  # first: another command's run has other flags
                self._check_run(run := table.pop("run"))
                self._run = run
            for key, value in table.items():
                name = key.replace("-", "_")
                if name not in actions:
                    raise UsageError(_unknown(key, list(actions)))
                if name in found:
                    raise UsageError(f"{name} is there twice, with a hyphen and with an underscore")
                try:
                    found[name] = actions[name], self._led(name, self._converted(actions[name], value))
                except argparse.ArgumentError as error:
                    raise UsageError(f"{name}: {_short(error.message, quoted=False)}") from None
        except UsageError as error:
            self.error(f"--config {file}: {error}")
        return list(found.values())

    def _check_run(self, run: Mapping[str, Any]) -> None:
        command = run.get("command", self._command)
        if command != self._command:
            raise UsageError(f"it is of a run of {_short(command)}, and this is {self._command}")

    def _led(self, name: str, value: Any) -> Any:
        """The value, or where the data were that it led to when the run of the file began."""
        known = self._run.get("places")
        return places.found(value, known[name]) if isinstance(known, Mapping) and name in known else value

    def _converted(self, action: argparse.Action, value: Any) -> Any:
        """The value as the flag's own type and choices make it. Raises argparse.ArgumentError."""
        if action.nargs == 0:
            if not isinstance(value, bool):
                raise argparse.ArgumentError(action, f"{_short(value)} is neither true nor false")
            return value
        if action.nargs is not None and action.nargs != "?":
            items = value if isinstance(value, list) else [value]
            return [self._single(action, item) for item in items]
        return self._single(action, value)

    def _single(self, action: argparse.Action, value: Any) -> Any:
        fits: Any = object
        match value:
            case str():
                text = value
            case bool():
                text, fits = str(value).lower(), bool
            case int() | float():
                text, fits = repr(value), int | float
            case list() if not any(isinstance(item, list | Mapping) for item in value):
                text, fits = ",".join(map(str, value)), list | tuple
            case _:
                raise argparse.ArgumentError(action, f"{kind(value)} is nothing that it takes")
        # argparse's own: what is wrong is said in the flag's words.
        made = self._get_value(action, text)
        self._check_value(action, made)
        if not isinstance(made, fits):
            wrong = "one value and no list" if isinstance(value, list) else "a text, so it stands in quotation marks"
            raise argparse.ArgumentError(action, f"{_short(text, quoted=isinstance(value, list))} is {wrong}")
        return made


class _Switch(argparse.Action):
    """--name and --no-name, whichever of them is given a name: what a file turns on, the command line can turn off."""

    def __init__(self, option_strings: Sequence[str], dest: str, default: bool = False, help: str = "") -> None:  # noqa: A002
        names = [name for name in option_strings if name.startswith("--")]
        others = [f"--{name[5:]}" if name.startswith("--no-") else f"--no-{name[2:]}" for name in names]
        super().__init__([*option_strings, *others], dest, nargs=0, default=default, help=help)

    def __call__(
        self, _parser: argparse.ArgumentParser, namespace: argparse.Namespace, _: Any, option_string: str | None = None
    ) -> None:
        setattr(namespace, self.dest, not (option_string or "").startswith("--no-"))


def read(file: Path) -> dict[str, Any]:
    """The table that a file of TOML holds.

    Raises: UsageError, with the line where there is one, for what can't be read, isn't UTF-8 or isn't TOML.
    """
    import tomllib

    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(f"it can't be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise UsageError("it has more than a MiB, so it is no configuration")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"it isn't UTF-8 (at line {line})") from None
    except tomllib.TOMLDecodeError as error:
        lines = content.count(b"\n") + (not content.endswith(b"\n"))
        said = str(error).replace("(at end of document)", f"(at line {lines}, its end)")
        raise UsageError(f"it isn't TOML: {_short(said, quoted=False)}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, lists of thousands of lists
        raise UsageError("it holds a number or a list that is too long or too deep") from None


def _unknown(key: str, names: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key.replace("-", "_"), names, 1)
    return f"{_short(key)} is no flag's name{f': did you mean {near[0]}?' if near else ''}"


def _short(value: Any, quoted: bool = True) -> str:
    text = repr(value) if quoted else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
