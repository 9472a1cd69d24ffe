"""Gradients derived by hand, proved against automatic differentiation, and trained with both."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from manual_vs_auto import auto, data, fused, gradcheck, manual, model, rules, train

__all__ = ["auto", "data", "fused", "gradcheck", "manual", "model", "rules", "train"]


# On demand, so that `--help` and the data reader start without jax.
def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
