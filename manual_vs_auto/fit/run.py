"""A whole fit, told: facts, one fit or a sweep of them, a table, and the directory that keeps the best."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeAlias

import jax
import numpy as np
from jax.sharding import Mesh

from manual_vs_auto.fit.examples import Examples, read
from manual_vs_auto.fit.facts import fit_facts
from manual_vs_auto.fit.following import expect_same, follow, shared
from manual_vs_auto.fit.keeping import Keeping, digest
from manual_vs_auto.fit.options import Options
from manual_vs_auto.fit.penalties import penalties
from manual_vs_auto.fit.scores import scored
from manual_vs_auto.fit.solving import solved
from manual_vs_auto.fit.table import Fitted, best_of, iteration_metrics, last_line, line, now, number_of, table
from manual_vs_auto.fit.training import Training, training
from manual_vs_auto.runs import events, export, signals, together
from manual_vs_auto.runs.collectives import told
from manual_vs_auto.runs.display import Display, Words, in_all
from manual_vs_auto.runs.evaluation import FILE, evaluate
from manual_vs_auto.runs.keeping import expect_data, opened
from manual_vs_auto.runs.machine import device_of
from manual_vs_auto.runs.mesh import mesh_of, prepare, spread_name
from manual_vs_auto.runs.model import Model, to_bytes
from manual_vs_auto.runs.pictures import files
from manual_vs_auto.runs.pictures.style import require
from manual_vs_auto.runs.values import AXES
from manual_vs_auto.solve import State

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
NOT_CONVERGED = 1
_SAID = 1.0  # seconds after which a person hears of an iteration
_AT_ONCE = 1e10  # multiplications, which take less than a second


def run(options: Options, started: float) -> int:
    """`_run`, by every process of the run: the first one writes and talks."""
    prepare(options.mesh, AXES[:1], "only rows are cut")
    return together.of_all(_run(options, started))


def _run(options: Options, started: float) -> int:
    """Do what the command line says, and return the exit status: 0, NOT_CONVERGED, or a signal's.

    Args:   started: time.perf_counter() when the process began, in seconds.
    Raises: UsageError and DataError before anything is fitted; UsageError where the directory can't be written.
    """
    if options.plot:
        require()
    if options.onnx:
        export.require(options.onnx)
    if options.tensorboard:
        events.require()
    device = device_of(options.device)
    mesh = mesh_of(options.mesh, device)
    examples = read(options)
    expect_same(options, examples)
    expect_data(options.expected, lambda: digest(examples))
    made = training(examples.features, examples.labels, examples.rows, options.standardize, mesh is not None)
    l2s = penalties(options, made, examples.classes)
    if not together.first():
        follow(options, made, examples.classes, l2s, mesh)
        return 0
    display = Display(Words("fit", len(l2s), line, now), json=options.json, quiet=options.quiet)
    with display, opened(options.out, options.resume, options.keep_checkpoints, options.tensorboard) as found:
        keeping = Keeping(options, examples, spread_name(device, mesh), found) if found else None
        return _Run(options, examples, made, device, mesh, display, keeping, started).fit(l2s)


class _Run:
    def __init__(
        self,
        options: Options,
        examples: Examples,
        made: Training,
        device: jax.Device,
        mesh: Mesh | None,
        display: Display,
        keeping: Keeping | None,
        started: float,
    ) -> None:
        self._options, self._examples, self._made = options, examples, made
        self._device, self._mesh = device, mesh
        self._display, self._keeping, self._started = display, keeping, started
        self._fits: list[Fitted] = []
        self._last: tuple[float, Any] | None = None  # an l2 that has not ended, and where its solver is
        self._programs: list[Any] = []  # of a mesh
        self._best = b""  # the content of its file
        self._said = self._before = 0.0  # seconds, the second until the run was stopped

    def fit(self, l2s: Sequence[float]) -> int:
        """Every fit, each shown and recorded as it ends, then the table."""
        self._display.facts(
            fit_facts(self._options, self._examples, self._made, spread_name(self._device, self._mesh), l2s)
        )
        state = shared(self._begin(self._keeping) if self._keeping else None)
        if len(self._fits) == len(l2s):
            return self._finished(len(l2s))
        began = time.perf_counter() - self._before
        try:
            how: dict[str, Any] = {"state": state, "mesh": self._mesh, "on_program": self._programs.append}
            for l2, reached, ended in solved(self._options, self._made, self._examples.classes, l2s, **how):
                seconds = time.perf_counter() - began
                if ended:
                    self._end(l2, reached, seconds, ended)
                else:
                    self._iteration(l2, reached, seconds)
        except KeyboardInterrupt:
            with signals.held():
                self._interrupted(time.perf_counter() - began, len(l2s))
            return signals.status()
        if self._keeping:
            self._keeping.save()
        self._summarise()
        kept = best_of(self._fits)
        if not kept.converged:
            self._display.warn(
                f"the fit with l2 {kept.l2:.3g} did not converge: its gradient is {kept.gradient_norm:.1e} after "
                f"{kept.iterations:,} iterations; raise --max-iter or --l2, or --standardize"
            )
        return 0 if kept.converged else NOT_CONVERGED

    def _begin(self, keeping: Keeping) -> State | None:
        """Start in the directory, or go on from what is there."""
        for said in keeping.said:
            self._display.warn(said)
        state, halfway, lines = keeping.begin()
        if state:
            ends = {line["l2"]: line["seconds"] for line in lines if "iterations" in line}
            for l2, found in state.found.items():
                fitted = self._judged(l2, found, found.iterations, found.converged, ends[l2])
                self._fits.append(fitted)
            self._best = to_bytes(best_of(self._fits).model) if self._fits else b""
            self._before = lines[-1]["seconds"]
        if halfway:
            self._last = halfway.l2, halfway
        keeping.restore(self._best or (to_bytes(self._model(halfway.l2, halfway, False)) if halfway else None))
        return state

    def _finished(self, fits: int) -> int:
        """Nothing is left to do but what may have been lost of the files."""
        kept = best_of(self._fits)
        self._leave(kept)
        self._display.last(f"{self._options.out} is finished: all its {fits:,} fits are done")
        return 0 if kept.converged else NOT_CONVERGED

    def _interrupted(self, seconds: float, fits: int) -> None:
        """Keep where the solver was; and judge that, where it takes no longer than anybody wants to wait."""
        with suppress(OSError):  # the terminal may be gone
            self._display.warn(f"{signals.said()} after {len(self._fits)} of {fits} fits")
        if self._keeping:
            self._keeping.save()
        if self._last:
            l2, reached = self._last
            count, width = self._examples.matrix.shape
            if count * width * self._examples.classes <= _AT_ONCE:
                self._take(self._judged(l2, reached, number_of(reached), False, seconds), None)
        with suppress(OSError):
            self._summarise()

    def _iteration(self, l2: float, progress: Any, seconds: float) -> None:
        """Keep it where that costs little, and show it now and then."""
        self._last = l2, progress
        metrics = iteration_metrics(l2, progress, seconds)
        if self._keeping:
            best = self._best

            def content() -> bytes:
                return best or to_bytes(self._model(l2, progress, False))

            self._keeping.iteration(metrics, progress, content)
        if seconds - self._said >= _SAID and not self._options.json:
            self._said = seconds
            self._display.done({"fit": len(self._fits)} | metrics)

    def _end(self, l2: float, reached: Any, seconds: float, state: State) -> None:
        self._last = l2, reached
        fitted = self._judged(l2, reached, reached.iterations, reached.converged, seconds)
        self._last = None
        self._take(fitted, state)
        self._said = seconds

    def _take(self, fitted: Fitted, state: State | None) -> None:
        metrics = fitted.metrics()
        with signals.held():
            self._fits.append(fitted)
            if best_of(self._fits) is fitted:
                self._best = to_bytes(fitted.model)
            if self._keeping:
                self._keeping.end(metrics, self._best, state)
        self._display.done({"fit": len(self._fits)} | metrics)

    def _model(self, l2: float, reached: Any, converged: bool) -> Model:
        return Model(
            np.ascontiguousarray(reached.weight),  # as it is when it has been read from a checkpoint
            np.ascontiguousarray(reached.bias) if self._options.intercept else None,
            self._made.mean,
            self._made.scale,
            loss=self._options.loss,
            class_names=self._examples.names,
            feature_names=self._examples.features.names,
            about={"l2": l2, "converged": converged, "features": self._options.features},
        )

    def _judged(self, l2: float, reached: Any, iterations: int, converged: bool, seconds: float) -> Fitted:
        examples, model, val = self._examples, self._model(l2, reached, converged), None
        rows = None if examples.rows is None else np.flatnonzero(examples.rows)
        learned = examples.labels if rows is None else examples.labels[rows]
        train = scored(model, examples.matrix, learned, rows)
        held, labels, those, of = examples.matrix, learned, rows, "training examples"
        if examples.val is not None and examples.val_labels is not None:
            held, those, of = examples.val, examples.val_rows, "validation examples"
            labels = examples.val_labels if those is None else examples.val_labels[those]
            val = scored(model, held, labels, those)
        ended = (reached.objective, reached.gradient_norm, iterations, converged)
        fitted = Fitted(l2, *ended, seconds, model, train, val)
        if best_of([*self._fits, fitted]) is not fitted:
            return fitted
        # Its figures are quoted, and kept: these are of float64.
        return replace(fitted, whole=evaluate(model.pieces(held, those), labels, None, examples.names, of))

    def _summarise(self) -> None:
        if not self._fits:
            return
        kept = best_of(self._fits)
        self._leave(kept)
        self._display.lines(
            "",
            *table(self._fits, kept),
            *([f"{'moved':<12} {told(self._programs[0], 'a chunk', 'a pass')}"] if self._programs else []),
            f"{'time':<12} fitting {self._fits[-1].seconds:.2f} s, {in_all(self._started, self._options.resume)}",
            *([f"{'kept in':<12} {self._options.out}"] if self._keeping else []),
        )
        self._display.last(last_line(kept))
        if self._options.onnx:
            export.to_onnx(kept.model, self._options.onnx)

    def _leave(self, kept: Fitted) -> None:
        """Beside the weights: how good they are, and pictures."""
        if self._options.out and kept.whole:
            kept.whole.write(self._options.out / FILE)
            if self._options.plot:
                files.write(self._options.out)
