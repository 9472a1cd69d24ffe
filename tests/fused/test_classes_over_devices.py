"""Classes over the devices of an axis of `jax.shard_map`: right numbers, and nothing travels that need not."""

import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from manual_vs_auto.fused import linear_softmax_loss, linear_softmax_loss_and_grad, plan, value_and_grad

MESH = jax.make_mesh((1, 1), ("data", "classes"), (AxisType.Auto,) * 2)
ROWS, CLASSES = P(("data", "classes")), P("classes")
WEIGHT, INPUTS, LABELS = jnp.ones((5, 3)), jnp.ones((4, 3)), jnp.arange(4)


def said(module: str, *arguments: str) -> str:
    """What a process of its own with eight virtual devices says is wrong."""
    command = [sys.executable, "-m", f"tests.fused.{module}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode in (0, 1), done.stderr[-2000:]
    return (done.stdout + done.stderr[-2000:] * done.returncode).strip()


@pytest.mark.parametrize("module", ["over_classes", "over_classes_choices", "over_classes_faults"])
def test_virtual_devices(module: str) -> None:
    assert said(module) == ""


@pytest.mark.whole
@pytest.mark.parametrize("module", ["over_classes", "over_classes_choices"])
def test_all_of_it(module: str) -> None:
    assert said(module, "whole") == ""


def within(function: Any = linear_softmax_loss, check: bool = True, weight: Any = CLASSES, **choices: Any) -> Any:
    """A call on one device as on many, with what the caller chooses."""
    arrays = {"weight": WEIGHT, "inputs": INPUTS, "labels": LABELS}
    specs: dict[str, Any] = {"weight": weight, "inputs": P(), "labels": P()}
    for name in ("labels", "sample_weight", "class_weight", "temperature", "bias"):
        if name in choices:
            arrays[name], specs[name] = choices.pop(name)
    known = {name: arrays.pop(name) for name in [*specs] if specs[name] is None}
    specs = {name: specs[name] for name in arrays}
    choices = {"classes_axis": "classes", **choices}
    run: Any = jax.shard_map(
        lambda arrays: function(**arrays, **known, **choices),
        mesh=MESH,
        in_specs=(specs,),
        out_specs=P(),
        check_vma=check,
    )
    return run(arrays)


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"classes_axis": "model"},
        ValueError,
        r"an axis of the jax.shard_map around it, one of .*'classes'.* not 'model'",
    ),
    ({"classes_axis": 0}, TypeError, "classes_axis must be the name of an axis of jax.shard_map, not 0"),
    ({"classes": 6}, ValueError, r"classes 6 are more than weight \(5, 3\) on 1 of 'classes' can have"),
    ({"classes": 0}, ValueError, "classes must be at least 1"),
    ({"classes": 2.0}, TypeError, "classes must be a whole number"),
    ({"classes": 4, "classes_axis": None}, ValueError, "classes must be .* is for classes_axis only"),
    ({"check": False}, ValueError, "classes_axis needs jax.shard_map's check_vma=True"),
    ({"weight": P()}, ValueError, r"weight must be this device's part, in_specs=P\('classes'\): .* same on all"),
    ({"weight": P("data"), "transposed": True}, ValueError, r"inputs \(4, 3\) must end with the D of weight \[D, K\]"),
    ({"labels": (LABELS, ROWS)}, ValueError, "labels must be the same on every device of classes_axis 'classes'"),
    ({"sample_weight": (jnp.ones(4), ROWS)}, ValueError, "sample_weight must be the same on every device"),
    ({"labels": (LABELS, CLASSES)}, ValueError, "labels must be the same"),
    ({"class_weight": (jnp.ones(4), CLASSES)}, ValueError, r"class_weight \(4,\) must have the shape \[K\]"),
    (
        {"labels": (np.array([0, 1, 2, 4]), None), "classes": 4},
        ValueError,
        r"1 of labels \(4,\) are outside 0\.\.3; the first is 4",
    ),
]


@pytest.mark.parametrize(("changed", "error", "words"), BAD, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("function", [linear_softmax_loss, linear_softmax_loss_and_grad])
def test_bad_input_is_refused(function: Any, changed: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        within(function, **changed)


def test_it_is_for_shard_map() -> None:
    for function in (linear_softmax_loss, linear_softmax_loss_and_grad):
        with pytest.raises(
            ValueError, match=r"an axis of the jax.shard_map around it, and there is none, not 'classes'"
        ):
            function(WEIGHT, INPUTS, LABELS, classes_axis="classes")
    with pytest.raises(ValueError, match="classes must be at least 1"):
        value_and_grad("cross_entropy", classes=3)
    assert not plan(4096, 4096, 16384, dtype=jnp.bfloat16, mode="recompute", classes_axis="classes").kernel


def test_a_label_of_padding_is_none() -> None:
    for labels, nan in ((jnp.array([0, 1, 2, 3]), False), (jnp.array([0, 1, 2, 4]), True)):
        assert jnp.isnan(within(labels=(labels, P()), classes=4)) == nan
