"""The base of the estimators, and their warnings and errors: scikit-learn's own where it is installed.

scikit-learn is no dependency. Where it is there, the estimators are its own kind (tags, metadata routing, cloning, its
display), and what they warn of and raise has its types. A type checker sees one base, whatever is installed.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from manual_vs_auto.fit.alone import Classifier, ConvergenceWarning, DataConversionWarning, NotFittedError
else:
    try:
        from sklearn.base import BaseEstimator, ClassifierMixin
        from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
    except ModuleNotFoundError:
        from manual_vs_auto.fit.alone import Classifier, ConvergenceWarning, DataConversionWarning, NotFittedError
    else:

        class Classifier(ClassifierMixin, BaseEstimator):
            """scikit-learn's base of classifiers."""


__all__ = ["Classifier", "ConvergenceWarning", "DataConversionWarning", "NotFittedError"]
