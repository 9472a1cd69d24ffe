"""Some of the training images, kept out of the training."""

from dataclasses import replace

import numpy as np

from manual_vs_auto.data.dataset import Dataset
from manual_vs_auto.data.mapped import gather, is_mapped
from manual_vs_auto.data.source import aligned


def split(dataset: Dataset, share: float, seed: int) -> Dataset:
    """The data set with a share of its training images as val_images: of each class as alike as whole images allow.

    Args:    share: 0 < share <= 1/2. seed: which ones; the same for the same labels and seed.
    Returns: val_images [V, D] and val_labels int32 [V] in the order of the file; V is share N, or a few less where
             a class would lose its only image. Nothing is lost, and nothing is twice. Training images that stay in
             their file do so: train_rows says which of them are left; those that are kept out are read into memory.
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
    images = dataset.train_images
    stay = is_mapped(images)
    held_images = aligned((int(val.sum()), images.shape[1]), images.dtype)
    gather(images, np.flatnonzero(val), held_images)
    return replace(
        dataset,
        train_images=images if stay else images[~val],
        train_labels=labels[~val],
        val_images=held_images,
        val_labels=labels[val],
        train_rows=np.flatnonzero(~val).astype(np.int32) if stay else None,
    )
