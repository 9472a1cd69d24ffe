"""Some of the training images, kept out of the training."""

from dataclasses import replace

import numpy as np

from manual_vs_auto.data.dataset import Dataset


def split(dataset: Dataset, share: float, seed: int) -> Dataset:
    """The data set with a share of its training images as val_images: of each class as alike as whole images allow.

    Args:    share: 0 < share <= 1/2. seed: which ones; the same for the same labels and seed.
    Returns: val_images [V, D] and val_labels int32 [V] in the order of the file; V is share N, or a few less where
             a class would lose its only image. Nothing is lost, and nothing is twice.
    Raises:  ValueError where that is no image at all.
    """
    labels = dataset.train_labels
    examples = len(labels)
    wanted = min(round(share * examples), examples // 2)
    shuffled = np.random.default_rng((seed, 0)).permutation(examples)  # the epochs' orders are (seed, 1) and on
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    # As far apart as the share says, so never two neighbours: a class of two or more keeps one.
    held = by_class[((np.arange(wanted) + 0.5) * (examples / max(wanted, 1))).astype(np.int64)]
    held = held[np.bincount(labels)[labels[held]] > 1]
    if not len(held):
        raise ValueError(f"{share:g} of {examples:,} training images, where each class keeps one, is no image")
    val = np.zeros(examples, bool)
    val[held] = True
    return replace(
        dataset,
        train_images=dataset.train_images[~val],
        train_labels=labels[~val],
        val_images=dataset.train_images[val],
        val_labels=labels[val],
    )
