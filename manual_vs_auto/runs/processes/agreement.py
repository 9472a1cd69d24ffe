"""What several processes must agree on: that they do the same work, when to go on, and when to stop.

All of it goes through the key-value store of JAX's runtime, not through a collective: it can be asked for while a
program runs in another thread, before there is any device, and it waits as long as it takes. (Gloo gives a program's
first collective 30 seconds to find all processes at it: `meet` first.)
"""

import json
from collections import Counter
from collections.abc import Mapping
from itertools import groupby

from manual_vs_auto.runs import signals
from manual_vs_auto.runs.awaited import awaited
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.processes import runtime
from manual_vs_auto.runs.processes.news import EVER
from manual_vs_auto.runs.processes.rollcall import named
from manual_vs_auto.runs.processes.runtime import Member

_OURS = "manual_vs_auto"
_KEPT = 1000  # decisions, after which the store forgets them
_LONGEST = 60  # characters of a fact that is told
_calls: Counter[str] = Counter()


def expect_same(facts: Mapping[str, str]) -> None:
    """Compare what this process does with what the others do, before the first step.

    Args:   facts: by name: settings, the SHA-256 of the data, versions.
    Raises: UsageError in every process, with the same line, where one fact is not the same in all.
    """
    if not (member := runtime.member):
        return
    where = _next("facts")
    member.store.key_value_set(f"{where}/{member.process}", json.dumps(dict(facts)))
    if member.process == 0:
        told = [json.loads(_got(member, f"{where}/{process}")) for process in range(member.count)]
        member.store.key_value_set(f"{where}/differ", differences(told))
    if differ := _got(member, f"{where}/differ"):
        member.agreed = True
        raise UsageError(differ)


def differences(told: list[Mapping[str, str]]) -> str:
    """What is not the same in all processes, by name, and which have what; "" where all is.

    Example: >>> differences([{"seed": "0", "dtype": "float32"}, {"seed": "1", "dtype": "float32"}])
             'the processes differ: seed is 0 in process 0, 1 in process 1'
    """
    said = []
    for name in dict.fromkeys(name for facts in told for name in facts):
        values = [facts.get(name, "not there") for facts in told]
        if len(set(values)) > 1:
            order = sorted(range(len(values)), key=lambda process: (values.index(values[process]), process))
            groups = groupby(order, key=lambda process: values[process])
            said.append(
                f"{name} is " + ", ".join(f"{_short(value)} in {named(list(which))}" for value, which in groups)
            )
    return f"the processes differ: {'; '.join(said)}" if said else ""


def meet() -> None:
    """Wait until all processes are here. Raises: as `signals.check` does."""
    if member := runtime.member:
        awaited(member.store.wait_at_barrier, _next("meet"), EVER)


def of_first(text: str) -> str:
    """What process 0 says here, in every process. Raises: as `signals.check` does."""
    if not (member := runtime.member):
        return text
    where = _next("of_first")
    if member.process == 0:
        member.store.key_value_set(where, text)
        return text
    return _got(member, where)


def agreed(stop: bool = False) -> bool:
    """Between two steps: whether all processes stop here, as process 0 says.

    Every process asks as often as the others, when it has kept what it has to keep.

    Args:   stop: what process 0 has decided; what another one would do doesn't matter.
    Raises: KeyboardInterrupt in all of them where one has heard a signal, whose status `signals.status` is then.
    """
    if not (member := runtime.member):
        signals.check()
        return stop
    number = _calls["agreed"]
    _calls["agreed"] += 1
    block, place = divmod(number, _KEPT)
    where = f"{_OURS}/agreed/{block}/{place}"
    if place == 0:
        meet()  # all have read those before
    if member.process == 0:
        decided = signals.status() - 128 if signals.heard.is_set() else -int(stop)
        member.store.key_value_set(where, str(decided))
        if place == 0:
            member.store.key_value_delete(f"{_OURS}/agreed/{block - 1}/")
    else:
        decided = int(_got(member, where))
    if decided > 0:
        signals.hear(decided)
        member.agreed = True
        raise KeyboardInterrupt
    return decided < 0


def _next(name: str) -> str:
    """A key that no other call has, and that this call has in all processes."""
    _calls[name] += 1
    return f"{_OURS}/{name}/{_calls[name]}"


def _got(member: Member, key: str) -> str:
    return str(awaited(member.store.blocking_key_value_get, key, EVER))


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 3]}..."
