"""What JAX does not trace is given the arrays of one kind, and those of the other only where it can't use them."""

from typing import Any

import numpy as np
import pytest

from manual_vs_auto.gradcheck.claims.errors import Refused
from manual_vs_auto.gradcheck.engines.jax.arrays import outside_jit

X = np.arange(3.0)


@pytest.mark.parametrize("in_numpy", [True, False])
@pytest.mark.parametrize(("error", "calls"), [(TypeError, 2), (AttributeError, 2), (IndexError, 1), (ValueError, 1)])
def test_only_the_wrong_kind_of_array_is_tried_again(in_numpy: bool, error: type[Exception], calls: int) -> None:
    kinds: list[bool] = []

    def call(group: list[Any]) -> Any:
        kinds.append(isinstance(group[0], np.ndarray))
        if len(kinds) == 1:
            raise Refused(error("no"))
        return "done"

    if calls == 1:
        with pytest.raises(Refused):
            outside_jit(call, in_numpy, [X])
    else:
        assert outside_jit(call, in_numpy, [X]) == "done"
    assert kinds == [in_numpy, not in_numpy][:calls]
