"""What stands for scikit-learn where it is not installed: parameters, and what is raised and warned of."""

import inspect
from typing import Any, Self


class Classifier:
    """scikit-learn's rules for parameters: `__init__` keeps each under its own name and looks at none."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002  scikit-learn's signature
        """The parameters by name, sorted."""
        return {name: getattr(self, name) for name in sorted(self._defaults())}

    def set_params(self, **params: Any) -> Self:
        """Change parameters by name. ValueError for a name that is none."""
        known = sorted(self._defaults())
        for name, value in params.items():
            if name not in known:
                raise ValueError(f"Invalid parameter {name!r} for estimator {self!r}. Valid parameters are: {known}.")
            setattr(self, name, value)
        return self

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """What `__init__` takes beside self, and what it is where nothing is given."""
        own = list(inspect.signature(cls.__init__).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in own}

    def __repr__(self) -> str:
        values = {name: (repr(getattr(self, name)), repr(default)) for name, default in self._defaults().items()}
        changed = (f"{name}={value}" for name, (value, default) in values.items() if value != default)
        return f"{type(self).__name__}({', '.join(changed)})"


class NotFittedError(ValueError, AttributeError):
    """A prediction was asked for before `fit`."""


class ConvergenceWarning(UserWarning):
    """The solver stopped before the tolerance was reached."""


class DataConversionWarning(UserWarning):
    """The data had another shape than the one asked for, and was taken all the same."""
