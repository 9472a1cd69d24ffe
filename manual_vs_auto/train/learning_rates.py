"""A learning rate, found by trying: a range test, as L. N. Smith has it (arXiv:1506.01186).

From W = 0 the rate grows by the same factor at each step, from a thousandth of the optimizer's default to a thousand
times it, over one pass of the training images, or as many as make 100 steps. The loss of each batch, averaged over the
steps of a third of a decade, falls while the rate is useful and rises when it is too large. The rate suggested is a
third of the one at which it is lowest. Few images may be known by heart before a rate is too large, and then none is
seen to be: what follows a loss of a twentieth of the first is left out.

Why a third: on MNIST, with sgd, momentum, adam and lion, both losses, batches of 64 and some of 512, eight epochs
ended within 1.1 percentage points of the best test accuracy among seven rates over two decades. Half of the rate is
often a little better, but lost 8.6 points once.
"""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np

from manual_vs_auto import model
from manual_vs_auto.data import Dataset
from manual_vs_auto.model import Loss
from manual_vs_auto.runs.awaited import awaited
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.pictures import files, style
from manual_vs_auto.runs.programs import compiled
from manual_vs_auto.train.config import Config
from manual_vs_auto.train.epoch import State, make_epoch, order
from manual_vs_auto.train.feed import compiling, feed_of
from manual_vs_auto.train.flags import LEARNING_RATES
from manual_vs_auto.train.optimizers import GROWTH, optimizer
from manual_vs_auto.train.place import Place
from manual_vs_auto.train.room import expect_room
from manual_vs_auto.train.trainer import GRADIENTS

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_LEAST_STEPS = 100
_WINDOW = 1 / 3  # of a decade, over which losses are averaged
_SHARE = 1 / 3  # of the rate at which the loss is lowest
_KNOWN = 0.05  # of the first loss: there is nothing more to learn
_LINES = 12  # of the table


@dataclass(frozen=True)
class Sweep:
    """Rates and what they did.

    rates:      [S], growing. losses: [S], of each step's batch before the step.
    centres:    [T], the rates that the averages are of. averages: [T], of the losses around them; T < S.
    suggestion: the rate to take; None where no rate lowered the loss.
    """

    rates: Array
    losses: Array
    centres: Array
    averages: Array
    suggestion: float | None


def tried(config: Config, dataset: Dataset, device: jax.Device) -> Sweep:
    """A resolved config's optimizer at every rate, on parameters of its own. Raises NoRoomError."""
    examples, features = len(dataset.train_labels), dataset.train_images.shape[1]
    passes = -(-_LEAST_STEPS // -(-examples // config.batch_size))
    index = np.concatenate([order(config.seed, at + 1, examples, config.batch_size) for at in range(passes)])
    peak = LEARNING_RATES[config.optimizer] * math.sqrt(GROWTH)
    dtype = jnp.dtype(config.dtype)
    optimize = optimizer(replace(config, learning_rate=peak, schedule="growing"), len(index))
    params = model.init(dataset.classes, features, np, np.promote_types(dtype, np.float32))
    state = jax.jit(lambda: State(jax.tree.map(jnp.asarray, params), optimize.init(params)))()
    loss, place = cast(Loss, config.loss), Place(device)
    epoch = make_epoch(place.gradient(GRADIENTS[config.gradient](loss), loss), optimize, dtype, lambda *_: None)
    feed = feed_of(dataset, place)
    kept_for = device if config.cache else None
    with ThreadPoolExecutor(1) as pool:
        begun = compiling(
            epoch, state, feed, index.shape, lambda lowered: pool.submit(compiled, lowered, device=kept_for)
        )
        program = begun()

    def smaller(batch_size: int) -> Any:
        chunk, *_ = feed.shapes(-(-examples // batch_size), batch_size)
        return epoch.lower(state, *chunk).compile()

    expect_room(device, program.longest, [], config.batch_size, smaller)
    _, report = awaited(program, state, index)
    rates = peak / GROWTH * GROWTH ** (np.arange(len(index)) / (len(index) - 1))
    return judged(rates, np.asarray(report.losses, np.float64))


def judged(rates: Array, losses: Array) -> Sweep:
    """What the losses [S] say of the rates [S], which grow by the same factor. What follows a lost loss is left out."""
    lost = np.flatnonzero(~np.isfinite(losses))
    end = int(lost[0]) if len(lost) else len(losses)
    width = max(3, round(_WINDOW / math.log10(rates[1] / rates[0])))
    if end < width:
        return Sweep(rates, losses, rates[:0], losses[:0], None)
    averages = np.convolve(losses[:end], np.ones(width) / width, mode="valid")
    centres = rates[(width - 1) // 2 :][: len(averages)]
    lowest = lowest_of(averages)
    suggestion = float(f"{_SHARE * centres[lowest]:.2g}") if averages[lowest] < averages[0] else None
    return Sweep(rates, losses, centres, averages, suggestion)


def lowest_of(averages: Array) -> int:
    """Which of the averaged losses is lowest, up to the first that leaves nothing to learn."""
    known = np.flatnonzero(averages <= _KNOWN * averages[0])
    return int(known[0]) if len(known) else int(np.argmin(averages))


def show(config: Config, dataset: Dataset, device: jax.Device) -> int:
    """Try, print a table, or with --json one line, and return the exit status: 1 where nothing can be suggested.

    Raises: UsageError where --out wants a picture, and matplotlib is missing or it can't be written.
    """
    if config.out:
        style.require()
    sweep = tried(config, dataset, device)
    if config.json:
        told = {"learning_rate": sweep.suggestion, "rates": [*sweep.centres], "losses": [*sweep.averages]}
        print(json.dumps(told), flush=True)
    else:
        print(*([] if config.quiet else lines(sweep)), last(sweep), sep="\n", flush=True)
    if config.out:
        try:
            files.keep(config.out, "learning-rate", lambda figure: draw(sweep, figure, config.loss))
        except OSError as error:
            raise UsageError(f"--out {config.out}: the picture can't be written: {error.strerror}") from None
    return 0 if sweep.suggestion else 1


def lines(sweep: Sweep) -> list[str]:
    """A small table of rates and losses, with the lowest loss marked."""
    count = len(sweep.averages)
    if not count:
        return []
    lowest = lowest_of(sweep.averages)
    shown = sorted({*np.linspace(0, count - 1, min(_LINES, count)).astype(int).tolist(), lowest})
    rows = [
        f"{sweep.centres[at]:>13.3g}  {sweep.averages[at]:>12.5g}{'  ' + _why(sweep) if at == lowest else ''}"
        for at in shown
    ]
    return [f"{'learning rate':>13}  {'loss':>12}", *rows, ""]


def draw(sweep: Sweep, figure: Any, loss: str) -> None:
    """The losses over the rates, on a matplotlib Figure."""
    figure.set_size_inches(7, 3.2)
    axis = figure.subplots()
    axis.plot(sweep.rates, sweep.losses, ".", color="0.7", markersize=2, label="a batch")
    axis.plot(sweep.centres, sweep.averages, "-", color="black", label="mean over a third of a decade")
    if sweep.suggestion:
        axis.axvline(sweep.suggestion, color="black", linestyle="--", label=f"suggested: {sweep.suggestion:g}")
    axis.set(xscale="log", xlabel="learning rate", ylabel=f"{loss.replace('_', ' ')}, mean per example")
    if len(sweep.averages):  # single batches at rates that are too large may be anywhere
        axis.set_ylim(0, 1.1 * float(np.max(sweep.averages[: lowest_of(sweep.averages) + 1])))
    axis.legend()


def last(sweep: Sweep) -> str:
    """The one line that --quiet leaves."""
    if sweep.suggestion is None:
        return "no rate lowered the loss: there is nothing to suggest"
    return f"suggested: --learning-rate {sweep.suggestion:g}, a third of where the loss is {_why(sweep)}"


def _why(sweep: Sweep) -> str:
    lowest = lowest_of(sweep.averages)
    return "the lowest" if lowest == int(np.argmin(sweep.averages)) else "a twentieth of the first"
