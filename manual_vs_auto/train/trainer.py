"""A run without its words: compile everything once, then yield one epoch after the other."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from manual_vs_auto import auto, fused, manual, model
from manual_vs_auto.data import Dataset
from manual_vs_auto.data.mapped import gathered
from manual_vs_auto.model import Batch, Loss, Params, ValueAndGrad
from manual_vs_auto.runs import signals
from manual_vs_auto.runs.awaited import awaited
from manual_vs_auto.runs.collectives import told
from manual_vs_auto.runs.programs import compiled
from manual_vs_auto.train.agreement import Agreement, compare, rounding_bound
from manual_vs_auto.train.config import Config
from manual_vs_auto.train.epoch import Audit, State, ahead, make_epoch, narrowed_to, order
from manual_vs_auto.train.evaluate import make_evaluator, summarised
from manual_vs_auto.train.feed import compiling, feed_of
from manual_vs_auto.train.optimizers import optimizer
from manual_vs_auto.train.place import Place, Spread
from manual_vs_auto.train.reached import DivergedError, Epoch, Reached
from manual_vs_auto.train.room import expect_room, expect_room_for_data, taken

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

# The seam: each is a ValueAndGrad, and the loop can't tell them apart. `both` trains on manual and lets
# auto audit every step.
GRADIENTS: dict[str, Callable[[Loss], ValueAndGrad]] = {
    "manual": manual.value_and_grad,
    "auto": auto.value_and_grad,
    "fused": fused.value_and_grad,
    "both": manual.value_and_grad,
}

_COMPARED = 1024  # images of the first batch at most on which by_hand and auto are compared
# A program that runs twice is not worth optimising.
_ONCE: dict[str, dict[str, str | bool]] = defaultdict(dict, cpu={"xla_backend_optimization_level": "0"})


class Trainer:
    """A resolved config and its data on a device, or on those of a mesh, compiled.

    steps:           an epoch has.
    parameters:      how many the model has.
    state_bytes:     of parameters and optimizer state; data_bytes: of images and labels in memory.
    first_batch_size: images that `first_batch` compares.
    by_hand:         'fused' where it trains, else 'manual': what is compared with auto.
    compile_seconds: until training could begin; 0 before `compile`.

    Args: keep: the compiled programs for the next process, see `runs.programs`.
    """

    def __init__(
        self, config: Config, dataset: Dataset, device: jax.Device, mesh: Mesh | None = None, keep: bool = False
    ) -> None:
        self._config, self._dataset, self._device = config, dataset, device
        self._kept_for = device if keep and mesh is None else None  # what several share is compiled for all of them
        self.mesh = mesh
        self._dtype = jnp.dtype(config.dtype)
        self._loss = cast(Loss, config.loss)
        self._examples, features = len(dataset.train_labels), dataset.train_images.shape[1]
        self._place = Spread(device, mesh, dataset.classes, features) if mesh else Place(device)
        self.steps = -(-self._examples // config.batch_size)
        self._feed = feed_of(dataset, self._place)
        self._optimizer = optimizer(config, self.steps * config.epochs)
        params = model.init(dataset.classes, features, np, np.promote_types(self._dtype, np.float32))
        # In one program: op by op, each would be compiled by itself.
        begin = jax.jit(lambda: State(jax.tree.map(jnp.asarray, params), self._optimizer.init(params)))
        state = compiled(begin.lower(), device=self._kept_for)()
        self._state = self._place.state(jax.device_get(state)) if mesh else state
        self._done, self._kept = 0, self._place.host(self._state)
        self.parameters = params.weight.size
        self.state_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(self._state))
        arrays = (getattr(dataset, f"{part}_{what}") for part in ("test", "val") for what in ("images", "labels"))
        self.data_bytes = self._feed.size(self.steps, config.batch_size)
        self.data_bytes += sum(array.nbytes for array in arrays if array is not None)
        self.by_hand = "fused" if config.gradient == "fused" else "manual"
        self.first_batch_size = min(config.batch_size, _COMPARED)
        self.compile_seconds = 0.0

    def compile(self) -> None:
        """Put the data on the device and compile the epoch, the evaluation and the first batch's comparison."""
        data = self._dataset
        expect_room_for_data(self._device, self.data_bytes)
        judged = [(data.test_images, data.test_labels), (data.val_images, data.val_labels)]
        # The test images, and those of --val where there are any.
        self._judged = [jax.device_put(pair, self._device) for pair in judged if pair[0] is not None]
        self._feed.shapes(self.steps, self._config.batch_size)  # so are all others
        start = time.perf_counter()
        value_and_grad = GRADIENTS[self._config.gradient](self._loss)
        self._jitted = make_epoch(
            self._place.gradient(value_and_grad, self._loss),
            self._optimizer,
            self._dtype,
            self._audit(),
            self._place.take(self._feed.own),
            self._place.shardings(self._state),
        )
        pool = ThreadPoolExecutor(2)

        def begin(lowered: Any, options: Mapping[str, Any] | None = None) -> Future[Any]:
            return pool.submit(compiled, lowered, options, self._kept_for)

        epoch = compiling(self._jitted, self._state, self._feed, (self.steps, self._config.batch_size), begin)
        seen = self._judged_at(self._kept)
        evaluate = [begin(make_evaluator(self._loss).lower(seen, *pair)) for pair in self._judged]
        self._initial = jax.device_get(seen)
        both = jax.jit(self._both).lower(self._initial, self._first_batch())
        self._epoch, self._evaluate = epoch(), [program.result() for program in evaluate]
        self.compile_seconds = time.perf_counter() - start
        smaller = None if self._config.full_batch else self._compiled_for
        expect_room(self._device, self._epoch.longest, self._evaluate, self._config.batch_size, smaller)
        # Wanted when training is over, so it is compiled while training runs.
        self._gradients = begin(both, _ONCE[self._device.platform])

    def working_bytes(self) -> int:
        """Of memory that the largest program takes while it runs; after `compile`."""
        return max(map(taken, (self._epoch.longest, *self._evaluate)))

    def moved(self) -> str:
        """What a step moves between devices, for a person; "" on one device."""
        longest = max(self._epoch.programs)
        return told(self._epoch.longest, "a step", "a step" if longest == 1 else "an epoch") if self.mesh else ""

    def first_batch(self) -> tuple[Agreement, Agreement]:
        """How by_hand and auto agree on the first epoch's first batch, before training and at this moment."""
        gradients, batch = self._gradients.result(), self._first_batch()

        def agreement(params: Params) -> Agreement:
            manual_grads, auto_grads = jax.device_get(awaited(gradients, params, batch))
            with np.errstate(over="ignore", invalid="ignore"):  # as under jit: the bound is then infinite, or NaN
                return compare(manual_grads, auto_grads, rounding_bound(params, batch, self._loss))

        return agreement(self._initial), agreement(jax.device_get(self._judged_at(self._kept)))

    def state(self) -> dict[str, Array]:
        """Parameters and the optimizer's state by name, to be read alone: all that there is between two epochs."""
        return {_name(path): leaf for path, leaf in jax.tree.leaves_with_path(self._kept)}

    def restore(self, state: Mapping[str, Array], epochs: int) -> None:
        """Go on from what `state` was when so many epochs were done. Raises: ValueError if it is another model's."""
        leaves, tree = jax.tree.flatten_with_path(self._place.host(self._state))
        expected = {_name(path): (leaf.shape, leaf.dtype) for path, leaf in leaves}
        if {name: (leaf.shape, leaf.dtype) for name, leaf in state.items()} != expected:
            raise ValueError("the state is of another model or optimizer")
        self._kept = jax.tree.unflatten(tree, [np.array(state[_name(path)]) for path, _ in leaves])
        self._state, self._done = self._place.state(self._kept), epochs

    def reached(self) -> Reached:
        """The model between two epochs."""
        return self._reached(self._done * self.steps, self._kept)

    def epochs(self) -> Iterator[Epoch]:
        """Train, an epoch at a time, those that are not done yet. Raises DivergedError."""
        sizes = np.full(self.steps, self._config.batch_size)
        sizes[-1] = self._examples - self._config.batch_size * (self.steps - 1)
        for number, drawn in ahead(self._order, range(self._done + 1, self._config.epochs + 1)):
            # The state is donated: this copy is where an epoch that diverges starts again.
            kept = self._kept
            with signals.patient():  # an epoch that is soon done is kept, too
                start = time.perf_counter()
                self._state, report = awaited(self._epoch, self._state, drawn())
                seconds = time.perf_counter() - start
                losses = np.asarray(report.losses, np.float64)
                now = self._place.host(self._state)
                reached = self._reached(number * self.steps, now)
                bad = np.flatnonzero(~np.isfinite(losses))
                if len(bad) or not reached.finite:
                    failed = int(bad[0]) if len(bad) else self.steps
                    raise DivergedError(
                        (number - 1) * self.steps + failed + 1, self._replayed(kept, number, failed - 1)
                    )
                self._done, self._kept = number, now
                yield Epoch(
                    step=reached.step,
                    weight=reached.weight,
                    evaluation=reached.evaluation,
                    validation=reached.validation,
                    number=number,
                    loss=float(np.sum(losses * sizes) / self._examples),
                    seconds=seconds,
                    audits=report.audits,
                )

    def _judged_at(self, state: State) -> Params:
        """A state's parameters as the gradient sees them, on this process's own device."""
        return Params(*jax.device_put(narrowed_to(state.params, self._dtype), self._device))

    def _order(self, number: int) -> Array:
        return order(self._config.seed, number, self._examples, self._config.batch_size)

    def _reached(self, step: int, state: State) -> Reached:
        """The model of a state on the host."""
        params = self._judged_at(state)
        evaluations = []
        for program, pair in zip(self._evaluate, self._judged, strict=True):
            losses, predictions = awaited(program, params, *pair)
            labels, classes = np.asarray(pair[1]), self._dataset.classes
            evaluations.append(summarised(np.asarray(losses), np.asarray(predictions), labels, classes))
        val = evaluations[1] if len(evaluations) > 1 else None
        return Reached(step, np.array(params.weight), evaluations[0], validation=val)

    def _replayed(self, kept: State, number: int, steps: int) -> Reached:
        """The model after the first steps of an epoch that starts from `kept`, if its test loss is finite too."""
        before = (number - 1) * self.steps
        self._state = self._place.state(kept)
        if steps > 0:
            self._state, _ = awaited(self._epoch, self._state, self._order(number)[:steps])
            reached = self._reached(before + steps, self._place.host(self._state))
            if reached.finite:
                return reached
            self._state = self._place.state(kept)
        return self._reached(before, kept)

    def _compiled_for(self, batch_size: int) -> Any:
        chunk, *_ = self._feed.shapes(-(-self._examples // batch_size), batch_size)
        return self._jitted.lower(self._state, *chunk).compile()

    def _audit(self) -> Audit:
        if self._config.gradient != "both":
            return lambda *_: None
        witness = auto.value_and_grad(self._loss)
        return lambda params, batch, grads: compare(
            grads, witness(params, batch)[1], rounding_bound(params, batch, self._loss)
        )

    def _both(self, params: Params, batch: Batch) -> tuple[Params, Params]:
        modules = (fused if self.by_hand == "fused" else manual, auto)
        by_hand, by_machine = (module.value_and_grad(self._loss)(params, batch)[1] for module in modules)
        return by_hand, by_machine

    def _first_batch(self) -> Batch:
        index = self._order(1)[0, : self.first_batch_size]
        rows = index if self._dataset.train_rows is None else self._dataset.train_rows[index]
        return Batch(gathered(self._dataset.train_images, rows), self._dataset.train_labels[index])


def _name(path: Any) -> str:
    """Of a leaf, as a program would write it: params.weight, optimizer[0].mu.weight."""
    return str(jax.tree_util.keystr(path)).removeprefix(".")
