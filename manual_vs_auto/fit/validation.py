"""What users pass as features, labels and weights, made arrays or refused in scikit-learn's words."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from manual_vs_auto.fit.scikit import DataConversionWarning

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.intp]


def features_of(X: Any, who: str) -> Floats:
    """The features as a finite array [N, D]: float32 and float64 as they are and not copied, all else as float64.

    Args:   X: an array, a data frame or lists. who: the estimator's name, for messages.
    Raises: TypeError if it is sparse, or has dates or durations. ValueError if it is complex, not two-dimensional,
            empty, NaN or infinite.
    """
    if hasattr(X, "tocsr"):
        raise TypeError(
            "Sparse data was passed for X, but dense data is required. Use '.toarray()' to convert to a dense array."
        )
    array = np.asarray(X)
    columns = [array.dtype, *(X.dtypes if hasattr(X, "columns") and hasattr(X, "dtypes") else [])]
    if times := [dtype for dtype in columns if getattr(dtype, "kind", "") in ("m", "M")]:  # they would be nanoseconds
        raise TypeError(f"X has dates or durations, {times[0]}: make numbers of them first")
    if array.dtype.kind == "O" and hasattr(X, "dtypes"):  # pandas' nullable columns, what is missing as NaN
        array = X.to_numpy(dtype=np.float64, na_value=np.nan)
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported by {who}: X is {array.dtype}")
    wanted = array.dtype.newbyteorder("=")
    array = array.astype(wanted if wanted in (np.float32, np.float64) else np.float64, copy=False)
    if array.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {array.ndim}D array instead. Reshape your data either using array.reshape(-1, 1) "
            "if your data has a single feature or array.reshape(1, -1) if it contains a single sample."
        )
    for count, what in zip(array.shape, ("sample", "feature"), strict=True):
        if count == 0:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={array.shape}) while a minimum of 1 is required by {who}."
            )
    _expect_finite("X", array)
    return array


def labels_of(y: Any, samples: int, who: str) -> npt.NDArray[Any]:
    """The labels [N] as they are: integers, strings, booleans, or floats that are whole numbers.

    Raises: ValueError if there are none, if they are not one a sample, or are no classes.
    Warns:  DataConversionWarning for a column [N, 1].
    """
    if y is None:
        raise ValueError(f"This {who} estimator requires y to be passed, but the target y is None.")
    array = np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples,), "
            "for example using ravel().",
            DataConversionWarning,
            stacklevel=4,
        )
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"y should be a 1d array, got an array of shape {array.shape} instead.")
    if len(array) != samples:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: [{samples}, {len(array)}]")
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported by {who}: y is {array.dtype}")
    if array.dtype.kind == "O" and not all(isinstance(label, str) for label in array):
        other = next(label for label in array if not isinstance(label, str))
        missing = other is None or other != other
        what = "y contains NaN or None" if missing else f"Unknown label type for y: {type(other).__name__}"
        raise ValueError(f"{what}. Labels are integers or strings.")
    if array.dtype.kind == "f":
        _expect_finite("y", array)
        if np.any(array != np.rint(array)):
            raise ValueError(
                "Unknown label type: continuous. Maybe you are trying to fit a classifier, which expects discrete "
                "classes on a regression target with continuous values."
            )
    return array


def weights_of(sample_weight: Any, samples: int) -> npt.NDArray[np.float64]:
    """How much each sample counts, float64 [N]: 1 for None, the same for all for a number.

    Raises: ValueError if a weight is negative or not finite, all are zero, or they are not one a sample.
    """
    array = np.asarray(1.0 if sample_weight is None else sample_weight, np.float64)
    if array.ndim == 0:
        array = np.full(samples, float(array))
    if array.ndim != 1:
        raise ValueError(f"Sample weights must be 1D array or scalar, got {array.ndim}D array.")
    if len(array) != samples:
        raise ValueError(f"sample_weight.shape == {array.shape}, expected {(samples,)}!")
    _expect_finite("sample_weight", array)
    if np.any(array < 0):
        raise ValueError("Negative values in data passed to `sample_weight`.")
    if not np.any(array):
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return array


def balance_of(class_weight: Any, classes: npt.NDArray[Any], held: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """How much each class counts, float64 [K]: for None 1, for "balanced" inversely to the weights that it holds [K].

    Raises: ValueError for anything else, a weight that is none, or a dict that names a class that is not there and none
            for one that is.
    """
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(f"class_weight must be 'balanced', a dict or None, got {class_weight!r}")
        balanced: npt.NDArray[np.float64] = np.divide(
            held.sum() / np.count_nonzero(held), held, out=np.zeros(len(classes)), where=held > 0
        )
        return balanced
    if not isinstance(class_weight, Mapping):
        raise ValueError(f"class_weight must be 'balanced', a dict or None, got {class_weight!r}")
    known = classes.tolist()
    # A class that a fold happens to lack is no mistake; one beside another that has no weight looks like one.
    if (unknown := [label for label in class_weight if label not in known]) and not set(known) <= set(class_weight):
        raise ValueError(f"The classes, {unknown}, of class_weight are not in y")
    counts = np.array([float(class_weight.get(label, 1)) for label in known])
    if not (np.isfinite(counts) & (counts >= 0)).all():
        raise ValueError(f"class_weight must be finite and not negative, got {class_weight!r}")
    return counts


def is_number(value: Any) -> bool:
    """Whether a setting is one real number."""
    array = np.asarray(value)
    return array.ndim == 0 and array.dtype.kind in "biuf"


def names_of(X: Any) -> npt.NDArray[np.object_] | None:
    """A data frame's column names [D] where all are strings, else None. TypeError where only some are."""
    columns = getattr(X, "columns", None)
    if columns is None:
        return None
    names = np.asarray(list(columns), object)
    strings = sum(isinstance(name, str) for name in names)
    if strings == 0:
        return None
    if strings < len(names):
        raise TypeError(
            "Feature names are only supported if all input features have string names, but your input has "
            f"{sorted({type(name).__name__ for name in names})} as feature name / column name types."
        )
    return names


def expect_names(passed: npt.NDArray[np.object_] | None, fitted: npt.NDArray[np.object_] | None, who: str) -> None:
    """ValueError if the features passed have other names than those of `fit`; a warning if only one has names."""
    if passed is None and fitted is None:
        return
    if fitted is None:
        warnings.warn(f"X has feature names, but {who} was fitted without feature names", UserWarning, stacklevel=4)
    elif passed is None:
        message = f"X does not have valid feature names, but {who} was fitted with feature names"
        warnings.warn(message, UserWarning, stacklevel=4)
    elif not np.array_equal(passed, fitted):
        unseen, missing = sorted(set(passed) - set(fitted)), sorted(set(fitted) - set(passed))
        parts = ["The feature names should match those that were passed during fit.\n"]
        parts += ["Feature names unseen at fit time:\n", *_listed(unseen)] if unseen else []
        parts += ["Feature names seen at fit time, yet now missing:\n", *_listed(missing)] if missing else []
        order = "Feature names must be in the same order as they were in fit.\n"
        raise ValueError("".join(parts if unseen or missing else [*parts, order]))


def _listed(names: list[str]) -> list[str]:
    return [f"- {name}\n" for name in names[:5]] + ["- ...\n"] * (len(names) > 5)


def _expect_finite(name: str, array: npt.NDArray[Any]) -> None:
    """ValueError if a number is not finite. A finite sum says that all are, without an array of answers."""
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum(dtype=np.float64)) or np.isfinite(array).all():
            return
    what = "NaN" if np.isnan(array).any() else f"infinity or a value too large for {array.dtype!r}"
    raise ValueError(f"Input {name} contains {what}.")
