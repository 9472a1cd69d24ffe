"""The same model and the same plain gradient descent elsewhere: NumPy by the notes' formulas, PyTorch, scikit-learn.

Each takes float32 weights, squared distance behind softmax, uint8 images that become 0..1 a batch at a time, and the
order of an epoch; scikit-learn has cross-entropy with a bias and draws its own order.
"""

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from manual_vs_auto.data import Dataset

Run = Callable[[Any], object]  # one epoch in this order


def numpy_step(weight: Any, x: Any, labels: Any) -> Any:
    """The gradient as a reader of the notes would write it: (6), (7), (9) and (10)."""
    z = x @ weight.T
    e = np.exp(z - z.max(axis=1, keepdims=True))
    s = e / e.sum(axis=1, keepdims=True)
    d = s.copy()
    d[np.arange(len(labels)), labels] -= 1
    by_logits = 2 * s * (d - (s * d).sum(axis=1, keepdims=True))
    return by_logits.T @ x / np.float32(len(labels))


def numpy_epoch(data: Dataset, rate: float) -> Run:
    weight = np.zeros((data.classes, data.train_images.shape[1]), np.float32)

    def epoch(order: Any) -> object:
        nonlocal weight
        for index in order:
            index = index[index < len(data.train_images)]
            x = data.train_images[index].astype(np.float32) * np.float32(1 / 255)
            weight -= np.float32(rate) * numpy_step(weight, x, data.train_labels[index])
        return weight

    return epoch


def torch_epoch(data: Dataset, rate: float) -> Run | None:
    """None where PyTorch is not installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    images, labels = torch.from_numpy(data.train_images), torch.from_numpy(data.train_labels).long()
    weight = torch.zeros((data.classes, images.shape[1]), requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=rate)

    def epoch(order: Any) -> object:
        for index in order:
            chosen = torch.from_numpy(index[index < len(images)]).long()
            x = images[chosen].float() * (1 / 255)
            d = torch.softmax(x @ weight.T, dim=1) - torch.nn.functional.one_hot(labels[chosen], data.classes)
            optimizer.zero_grad()
            (d * d).sum(dim=1).mean().backward()
            optimizer.step()
        return None

    return epoch


def sklearn_epoch(data: Dataset, rate: float, batch_size: int) -> Run | None:
    """None where scikit-learn is not installed. Its images are 0..1 in float32 beforehand."""
    if importlib.util.find_spec("sklearn") is None:
        return None
    from sklearn.neural_network import MLPClassifier

    images = data.train_images.astype(np.float32) * np.float32(1 / 255)
    model = MLPClassifier(
        hidden_layer_sizes=(), solver="sgd", learning_rate_init=rate, batch_size=batch_size, momentum=0.0, alpha=0.0,
        max_iter=1, random_state=0,
    )  # fmt: skip

    def epoch(_: Any) -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one epoch does not converge, and need not
            model.fit(images, data.train_labels)
        return None

    return epoch
