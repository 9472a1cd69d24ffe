"""Shapes beyond the author's sample that the function accepts: a batch of one, longer, square, not square, other ranks.

Which axes belong together is not known. Axes of equal size may be one dimension or two that happen to be equal; the
function itself says which, by accepting the new shapes or not.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

Shape = tuple[int, ...]
Shapes = tuple[Shape, ...]
Accepts = Callable[[Shapes], bool]
Axes = tuple[tuple[int, int], ...]
_AXES, _LONGEST = 6, 64
EXCHANGED = "two sizes exchanged"


def other_shapes(shapes: Shapes, whole: Sequence[bool], accepts: Accepts) -> Iterator[tuple[str, Shapes]]:
    """New shapes of the same ranks. whole: which arrays hold integers, whose values must stay in range.

    An axis that integers may point into never shrinks, and axes of a size that integers have are one dimension with
    theirs: indexing accepts more rows than there are indices, and means something else by it. A vector alone is not a
    batch, and does not shrink to one number.
    """
    axes = [(leaf, axis, size) for leaf, shape in enumerate(shapes) for axis, size in enumerate(shape) if size > 0]
    sizes = sorted({size for *_, size in axes})
    own = {size for leaf, _, size in axes if whole[leaf]}
    apart = dict[tuple[int, int], int]()
    for size in sizes:
        together = tuple((leaf, axis) for leaf, axis, s in axes if s == size)
        leading = tuple((leaf, axis) for leaf, axis in together if axis == 0 or whole[leaf])
        if size == 1:
            group = leading if size in own else together
            yield from _accepted("more than a batch of one", shapes, dict.fromkeys(group, 3), accepts)
            continue
        if any(len(shapes[leaf]) > 1 for leaf, _ in leading) and (size in own or not own):
            for group in (leading,) if size in own else (together, leading):
                found = list(_accepted("a batch of one", shapes, dict.fromkeys(group, 1), accepts))
                yield from found[:1]
                if found:
                    break
        if size not in own:
            apart.update(_split(shapes, together, size, accepts))
    if apart:
        yield from _accepted("not square", shapes, apart, accepts)
    yield from _accepted("one longer", shapes, {(leaf, axis): size + 1 for leaf, axis, size in axes}, accepts)
    if sizes and sizes[-1] <= _LONGEST:
        for more in (3, 0):  # what goes by pairs is longer by pairs
            longer = {(leaf, a): 2 * size + more for leaf, a, size in axes if size > 1}
            if found := list(_accepted("longer", shapes, longer, accepts)):
                yield from found
                break
    if len(sizes) > 1 and sizes[-1] not in own:
        longest = {(leaf, axis): size + 1 for leaf, axis, size in axes if size == sizes[-1]}
        yield from _accepted("the longest one longer", shapes, longest, accepts)
    large = [size for size in sizes if size > 1 and size not in own]
    if len(large) > 1:
        grown = {(leaf, axis): large[1] for leaf, axis, size in axes if size == large[0]}
        yield from _accepted("square", shapes, grown, accepts)
    if len(large) > 1 and not own:
        turned = {large[0]: large[1], large[1]: large[0]}
        exchanged = {(leaf, axis): turned[size] for leaf, axis, size in axes if size in turned}
        yield from _accepted(EXCHANGED, shapes, exchanged, accepts)


def other_ranks(shapes: Shapes, moving: Sequence[int], accepts: Accepts) -> Iterator[tuple[str, Shapes]]:
    """One leading axis more, or one less, on the first moving array or on all arrays."""
    groups = [(moving[0],), tuple(range(len(shapes)))]
    for group in groups:
        more = tuple((2, *shape) if leaf in group else shape for leaf, shape in enumerate(shapes))
        if accepts(more):
            yield "one rank more", more
            break
    for group in groups:
        if all(shapes[leaf] for leaf in group):
            less = tuple(shape[1:] if leaf in group else shape for leaf, shape in enumerate(shapes))
            if accepts(less):
                yield "one rank less", less
                break


def _split(shapes: Shapes, together: Axes, size: int, accepts: Accepts) -> dict[tuple[int, int], int]:
    """Axes of one size that are several dimensions: the smallest groups that may change alone, each to its own size."""
    found: list[tuple[Axes, int]] = []
    if not 1 < len(together) <= _AXES:
        return {}
    for count in range(1, len(together)):
        for group in combinations(together, count):
            taken = any(set(group) & set(other) for other, _ in found)
            if taken:
                continue
            # Heads of attention may be twice as many as those that they share, but not one more.
            grown = next((n for n in (size + 1, 2 * size) if accepts(_changed(shapes, dict.fromkeys(group, n)))), None)
            if grown is not None:
                found.append((group, grown))
    return {axis: grown + (grown == size + 1) * at for at, (group, grown) in enumerate(found) for axis in group}


def _accepted(
    name: str, shapes: Shapes, sizes: dict[tuple[int, int], int], accepts: Accepts
) -> Iterator[tuple[str, Shapes]]:
    new = _changed(shapes, sizes)
    if new != shapes and accepts(new):
        yield name, new


def _changed(shapes: Shapes, sizes: dict[tuple[int, int], int]) -> Shapes:
    return tuple(
        tuple(sizes.get((leaf, axis), old) for axis, old in enumerate(shape)) for leaf, shape in enumerate(shapes)
    )
