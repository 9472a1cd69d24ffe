"""Gradients derived by hand, proved against automatic differentiation, and trained with both."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = [
    "SoftmaxRegression",
    "SoftmaxRegressionCV",
    "auto",
    "data",
    "fused",
    "gradcheck",
    "manual",
    "model",
    "rules",
    "train",
]

if TYPE_CHECKING:
    from manual_vs_auto import auto, data, fused, gradcheck, manual, model, rules, train
    from manual_vs_auto.fit.cross_validation import SoftmaxRegressionCV
    from manual_vs_auto.fit.estimator import SoftmaxRegression
else:
    _CLASSES = {"SoftmaxRegression": "fit.estimator", "SoftmaxRegressionCV": "fit.cross_validation"}

    # On demand, so that `--help` and the data reader start without jax. A type checker sees the modules themselves.
    def __getattr__(name: str):
        if name in __all__:
            import importlib

            module = importlib.import_module(f"{__name__}.{_CLASSES.get(name, name)}")
            return getattr(module, name) if name in _CLASSES else module
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
