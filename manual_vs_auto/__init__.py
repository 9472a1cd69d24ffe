"""Gradients derived by hand, proved against automatic differentiation, and trained with both."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["auto", "data", "fused", "gradcheck", "manual", "model", "rules", "train"]

if TYPE_CHECKING:
    from manual_vs_auto import auto, data, fused, gradcheck, manual, model, rules, train
else:
    # On demand, so that `--help` and the data reader start without jax. A type checker sees the modules themselves.
    def __getattr__(name: str):
        if name in __all__:
            import importlib

            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
