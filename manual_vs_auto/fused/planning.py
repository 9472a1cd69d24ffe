"""What the fused loss would do with arrays of some shapes, asked without them."""

from typing import Any

import jax.numpy as jnp

from manual_vs_auto.fused.chunks import Plan, plan_of
from manual_vs_auto.fused.options import Options, expect_known, floating, whole
from manual_vs_auto.fused.sweeps import narrow_dtype


def plan(rows: int, features: int, classes: int, *, dtype: Any = jnp.float32, **options: Any) -> Plan:
    """What `linear_softmax_loss` does with inputs [rows, features] and a weight [classes, features] of this dtype.

    Its "auto" takes in_forward, as long as a chunk of 256 rows, or of all, has no more logits than 64 MiB or the
    weight hold, and takes as many rows as that allows; else, and for reduction "none", recompute. The temporaries of
    float32 and float64, in numbers of that dtype, with c for the chunk, N rows, D features and K classes, are

        in_forward   c K + K D, with one chunk c K; of squared distance at least 2 c K
        recompute    N c + c D + N D, with one chunk N c; of squared distance at least N c + 3 N min(32, c / 128)

    beside some numbers a row: a chunk of logits, which becomes its own gradient in place, and in the first what the
    chunk adds to the weight's gradient, in the second its rows of the weight and the inputs' gradient. A transposed
    weight costs the same. ignore_label and weights of rows or classes add a copy of the inputs, targets and
    label_probabilities a chunk. Arrays that are spread over devices have their share of that on each: a chunk takes as
    many rows or classes of every block as of any other, and there are as many blocks as devices, as far as that divides
    (`Plan.row_groups`, `Plan.class_groups`); with more than one device the kernels run within `jax.shard_map` only.
    There rows and classes are those that a device holds. With classes_axis no kernel runs, and in_forward has N D more,
    but of squared distance no second c K, and K D more where there is padding.
    bfloat16 has a copy of the logits' gradient more, and where XLA multiplies it as
    float32, as it does on a CPU, copies of what is multiplied: no formula is given.

    Raises:  ValueError and TypeError for a choice that does not exist, or sizes and dtypes that can't be.
    Example:
        >>> plan(4096, 256, 32768).mode, plan(4096, 256, 32768).chunk_size
        ('in_forward', 512)
    """
    expect_known("plan", options, ["dtype", *Options.__dataclass_fields__])
    asked = Options(**options)
    for name, size, least in (("rows", rows, 0), ("features", features, 0), ("classes", classes, 1)):
        if whole(name, size) < least:
            raise ValueError(f"{name} must be at least {least}, not {size}")
    floating("dtype", jnp.dtype(dtype))
    return plan_of(int(rows), int(features), int(classes), narrow_dtype(dtype, dtype), asked)
