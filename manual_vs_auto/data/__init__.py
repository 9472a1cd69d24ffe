"""Images and labels: IDX files, .npz archives, and the embedded MNIST."""

from manual_vs_auto.data.dataset import Dataset, load
from manual_vs_auto.data.source import DataError
from manual_vs_auto.data.split import split

__all__ = ["DataError", "Dataset", "load", "split"]
