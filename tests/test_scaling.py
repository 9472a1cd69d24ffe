"""The cost model of `benchmarks.scaling`: it finds costs that it is made of, and sees those that it is not."""

from dataclasses import replace

import pytest

from benchmarks._cost import Costs, Place, Work, errors, extrapolated, fitted, full_pass, step

CORES = 2
MADE = {"devices": Costs(2e-11, 1e-10, 3e-5, 2e-10), "processes": Costs(2e-11, 1e-10, 4e-4, 5e-9)}
ON = {"devices": (1, 2, 4, 8), "processes": (1, 2)}
WORKS = [
    (made, kind)
    for kind, counts in ON.items()
    for n in counts
    for made in (
        step(n, 512, 784, 10),
        step(n, 4096, 784, 10),
        full_pass(n, 40_000, 256, 10, 3),
        full_pass(n, 9, 99, 64),
    )
]
GIVEN = [work for work, _ in WORKS], [kind for _, kind in WORKS]


def _seconds(costs: dict[str, Costs]) -> list[float]:
    return [sum(costs[kind].parts(work, CORES)) for work, kind in WORKS]


def test_costs_that_were_put_in_come_out() -> None:
    seconds = _seconds(MADE)
    found = fitted(*GIVEN, seconds, CORES)
    for kind, costs in MADE.items():
        # Least squares in float64, on columns scaled to 1.
        assert vars(found[kind]) == pytest.approx(vars(costs), rel=1e-9)
    assert errors(*GIVEN, seconds, found, CORES) == pytest.approx([0] * len(seconds), abs=1e-9)


@pytest.mark.parametrize("name", ["operation", "byte", "message", "sent"])
def test_a_wrong_cost_is_seen(name: str) -> None:
    wrong = {**MADE, "devices": replace(MADE["devices"], **{name: 2 * getattr(MADE["devices"], name)})}
    off = errors(*GIVEN, _seconds(MADE), wrong, CORES)
    assert max(off) > 0.05
    assert min(off) >= 0
    assert all(error == 0 for error, kind in zip(off, GIVEN[1], strict=True) if kind == "processes")


def test_what_the_model_cannot_say_stays_as_an_error() -> None:
    """A processor that is three times as fast on eight devices."""
    seconds = [taken / (3 if work.devices == 8 else 1) for work, taken in zip(GIVEN[0], _seconds(MADE), strict=True)]
    off = errors(*GIVEN, seconds, fitted(*GIVEN, seconds, CORES), CORES)
    assert max(map(abs, off)) > 0.2


def test_more_devices_than_cores_are_no_faster() -> None:
    alone, two, eight = (sum(MADE["devices"].parts(replace(step(n, 4096, 784, 10), collectives=0, moved=0), CORES))
                         for n in (1, 2, 8))  # fmt: skip
    assert two < 0.6 * alone
    assert eight >= two


def test_too_few_measurements() -> None:
    with pytest.raises(ValueError, match="5 measurements are too few for 6 costs"):
        fitted(GIVEN[0][-5:], ["a", "b", "a", "b", "a"], [1.0] * 5, CORES)


def test_a_sum_by_hand() -> None:
    """Eight devices: six messages, and 14 of 8 parts of the bytes, beside cores of their own."""
    assert Work(8, 10, 20, 2, 800).terms().tolist() == [10, 20, 12, 1400]
    assert Work(8, 10, 20, 2, 800).terms(2).tolist() == [40, 80, 48, 5600]
    assert Work(1, 10, 20, 0, 0).terms().tolist() == [10, 20, 0, 0]
    # Two that would each keep both cores busy share them.
    assert Work(1, 10, 20, 0, 0, busy=2).terms(2).tolist() == [5, 10, 0, 0]
    assert Work(2, 5, 10, 0, 0, busy=2).terms(2).tolist() == [5, 10, 0, 0]


def test_what_is_extrapolated_by_hand() -> None:
    place = Place("there", 8, 1e9, 1e9, 1e-3, 1e6)
    row = next(row for row in extrapolated([place]) if "a device" in row["extrapolated"])
    arithmetic, memory = 4 * 4096 * 7840 / 1e9, (14 * 4096 * 784 + 20 * 7840) / 1e9
    collective = 6e-3 + (4 * 7840 + 8) * 14 / 8 / 1e6
    assert row["in all ms"] == pytest.approx(1e3 * (arithmetic + memory + collective))
    assert row["efficiency"] == pytest.approx((arithmetic + memory) / (arithmetic + memory + collective))
    assert [row[f"assumed {name}"] for name in ("FLOP/s", "memory B/s", "latency s", "link B/s")] == [
        1e9,
        1e9,
        1e-3,
        1e6,
    ]
