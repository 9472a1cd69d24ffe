"""A right derivative and the wrong ones beside it, as a public report shows them."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from tests.corpus.functions import Rule, with_jvp, with_vjp
from tests.corpus.item import Item

Form = Literal["gradient", "vjp", "jvp", "custom vjp", "custom jvp"]
RULED: dict[str, Callable[[Rule, Rule], Any]] = {"custom vjp": with_vjp, "custom jvp": with_jvp}
SPECIAL = ("special", "division")


class Wrong(NamedTuple):
    """A wrong derivative. what: was done to it. args: the sample that hides it, if not the right one's."""

    what: str
    manual: Rule
    causes: tuple[str, ...] = ()
    args: tuple[Any, ...] | None = None
    special: bool = False


def pair(
    name: str, form: Form, f: Rule, right: Rule | None, args: tuple[Any, ...], *wrong: Wrong, **options: Any
) -> list[Item]:
    """The right item, unless there is none, and the wrong ones."""

    def item(name: str, manual: Rule, sample: tuple[Any, ...], **said: Any) -> Item:
        if form in RULED:
            return Item(name, "custom", RULED[form](f, manual), None, sample, options, **said)
        return Item(name, form, f, manual, sample, options, **said)  # type: ignore[arg-type]

    return [
        *([] if right is None else [item(name, right, args)]),
        *(
            item(
                f"{name}: {w.what}",
                w.manual,
                args if w.args is None else w.args,
                fault=w.what,
                causes=SPECIAL if w.special else w.causes,
                special=w.special,
            )
            for w in wrong
        ),
    ]
