"""Images that are kept out of the training: none lost, none twice, of each class alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from manual_vs_auto.data import Dataset, split


def numbered(labels: list[int]) -> Dataset:
    """Images whose one pixel is their number."""
    answers = np.array(labels, np.int32)
    images = np.arange(len(labels), dtype=np.float32)[:, None]
    return Dataset("numbered", images, answers, images[:3], answers[:3], (1,), max(labels) + 1)


@given(
    labels=some.lists(some.integers(0, 4), min_size=1, max_size=60),
    share=some.floats(0.01, 0.5),
    seed=some.integers(0, 5),
)
@settings(deadline=None)
def test_every_image_is_in_one_of_the_two(labels: list[int], share: float, seed: int) -> None:
    whole = numbered(labels)
    try:
        cut = split(whole, share, seed)
    except ValueError:
        counts = np.bincount(labels)
        assert share * len(labels) <= 0.5 or len(labels) < 2 or counts[counts > 0].min() == 1
        return
    assert cut.val_images is not None
    assert cut.val_labels is not None
    train, val = cut.train_images[:, 0].astype(int), cut.val_images[:, 0].astype(int)
    assert sorted([*train, *val]) == list(range(len(labels)))
    assert list(train) == sorted(train)
    assert list(val) == sorted(val)
    assert [labels[at] for at in train] == list(cut.train_labels)
    assert [labels[at] for at in val] == list(cut.val_labels)
    assert set(cut.train_labels) == set(labels)  # no class is lost to the training
    for label, count in enumerate(np.bincount(labels)):
        # every 1/share-th of a class, from wherever it begins
        assert abs(np.sum(cut.val_labels == label) - share * count) <= 1.5 or count == 1
    assert len(val) <= len(labels) // 2
    assert cut.test_images is whole.test_images


def test_a_share_is_a_share() -> None:
    cut = split(numbered([0] * 60 + [1] * 30 + [2] * 10), 0.1, 0)
    assert cut.val_labels is not None
    assert list(np.bincount(cut.val_labels)) == [6, 3, 1]
    half = split(numbered([0] * 7), 0.5, 0)
    assert len(half.train_labels) == 4


def test_the_seed_says_which() -> None:
    whole = numbered([at % 3 for at in range(60)])
    first, same, other = (split(whole, 0.2, seed).val_images for seed in (1, 1, 2))
    assert np.array_equal(first, same)  # type: ignore[arg-type]
    assert not np.array_equal(first, other)  # type: ignore[arg-type]


def test_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^0\.1 of 3 training images, where each class keeps one, is no image$"):
        split(numbered([0, 0, 0]), 0.1, 0)
    with pytest.raises(ValueError, match="is no image"):
        split(numbered([0, 1, 2, 3]), 0.5, 0)
