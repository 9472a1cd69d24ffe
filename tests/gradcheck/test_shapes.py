"""Which shapes beyond the sample's are proposed, for functions that say by their shapes alone what they accept."""

import pytest

from manual_vs_auto.gradcheck.search.shapes import Accepts, Shapes, other_ranks, other_shapes


def matvec(shapes: Shapes) -> bool:
    matrix, vector = shapes
    return len(matrix) == 2 and len(vector) == 1 and matrix[1] == vector[0]


def trace(shapes: Shapes) -> bool:
    (matrix,) = shapes
    return len(matrix) == 2 and matrix[0] == matrix[1]


def classified(shapes: Shapes) -> bool:
    """A linear layer and its loss: pixels [N, P], weights [P, C], labels [N] that point into C."""
    pixels, weights, labels = shapes
    return (len(pixels), len(weights), len(labels)) == (2, 2, 1) and (
        pixels[1] == weights[0] and pixels[0] == labels[0]
    )


def indexed(shapes: Shapes) -> bool:
    """rows[index]: any number of rows will do."""
    rows, index = shapes
    return len(rows) == 2 and len(index) == 1


def elementwise(shapes: Shapes) -> bool:
    return len(set(shapes)) == 1


def anything(_: Shapes) -> bool:
    return True


def nothing(_: Shapes) -> bool:
    return False


def proposed(shapes: Shapes, accepts: Accepts, whole: tuple[bool, ...] | None = None) -> dict[str, Shapes]:
    found = list(other_shapes(shapes, whole or (False,) * len(shapes), accepts))
    by_name = dict(found)
    assert len({new for _, new in found}) == len(found), "a shape is proposed once"
    assert all(accepts(new) for new in by_name.values())
    assert all(new != shapes for new in by_name.values())
    return by_name


def test_a_square_matrix_is_split_into_one_that_is_not() -> None:
    (rows, columns), (length,) = proposed(((3, 3), (3,)), matvec)["not square"]
    assert rows != columns == length


def test_what_must_be_square_stays_square() -> None:
    found = proposed(((3, 3),), trace)
    assert found["a batch of one"] == ((1, 1),)
    assert all(rows == columns for ((rows, columns),) in found.values())


def test_a_matrix_that_is_not_square_becomes_square() -> None:
    found = proposed(((2, 3), (3,)), matvec)
    assert found["square"] == ((3, 3), (3,))
    assert "not square" not in found


def test_a_leading_axis_is_tried_as_a_batch_of_one() -> None:
    assert proposed(((2, 3), (3,)), matvec)["a batch of one"] == ((1, 3), (3,))


def test_axes_are_longer_all_together() -> None:
    """A loop that stops at the sample's length would stay unseen."""
    for shapes, accepts in (((4,),), elementwise), (((2, 3), (3,)), matvec), (((3, 3),), trace):
        found = proposed(shapes, accepts).values()
        assert any(all(n > m for n, m in zip(sum(new, ()), sum(shapes, ()), strict=True)) for new in found)


def test_a_batch_of_one_becomes_more() -> None:
    assert proposed(((1, 4), (1, 4)), elementwise)["more than a batch of one"] == ((3, 4), (3, 4))


def test_labels_shrink_with_their_rows() -> None:
    found = proposed(((5, 4), (4, 3), (5,)), classified, (False, False, True))
    assert found["a batch of one"] == ((1, 4), (4, 3), (1,))


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 7])
@pytest.mark.parametrize("rows", [1, 3, 4, 5])
def test_classes_that_labels_point_into_never_shrink(rows: int, classes: int) -> None:
    for new in proposed(((rows, 4), (4, classes), (rows,)), classified, (False, False, True)).values():
        assert new[1][1] >= classes


def test_rows_that_an_index_points_into_never_shrink() -> None:
    found = proposed(((5, 2), (3,)), indexed, (False, True))
    assert found
    assert all(new[0][0] >= 5 for new in found.values())


def test_a_single_label_gets_company() -> None:
    found = proposed(((1, 4), (4, 3), (1,)), classified, (False, False, True))
    assert found["more than a batch of one"] == ((3, 4), (4, 3), (3,))


@pytest.mark.parametrize("shapes", [((),), ((), ()), ((0,),), ((0, 0), ())])
def test_what_has_no_axes_has_no_other_shapes(shapes: Shapes) -> None:
    assert proposed(shapes, anything) == {}


def test_what_refuses_everything_is_left_alone() -> None:
    assert list(other_shapes(((3, 3), (3,)), (False, False), nothing)) == []
    assert list(other_ranks(((3, 3), (3,)), (0,), nothing)) == []


@pytest.mark.parametrize("shapes", [((3, 3), (3,)), ((2, 3, 2), (4,)), ((1, 1), (1, 5))])
def test_ranks_are_kept(shapes: Shapes) -> None:
    found = proposed(shapes, anything)
    assert found
    assert all(tuple(map(len, new)) == tuple(map(len, shapes)) for new in found.values())


def test_many_equal_axes_end() -> None:
    """Eight axes of one size would be split in 254 ways."""
    asked: list[Shapes] = []

    def counting(shapes: Shapes) -> bool:
        asked.append(shapes)
        return False

    assert list(other_shapes(((2,) * 8,), (False,), counting)) == []
    assert len(asked) < 80


def test_one_array_gains_and_loses_an_axis() -> None:
    assert dict(other_ranks(((3, 4),), (0,), anything)) == {"one rank more": ((2, 3, 4),), "one rank less": ((4,),)}


def test_arrays_that_belong_together_change_rank_together() -> None:
    assert dict(other_ranks(((3,), (3,)), (0,), elementwise)) == {
        "one rank more": ((2, 3), (2, 3)),
        "one rank less": ((), ()),
    }


def test_the_array_that_moves_changes_rank_alone_where_it_may() -> None:
    found = dict(other_ranks(((5,), (3,)), (1,), anything))
    assert found == {"one rank more": ((5,), (2, 3)), "one rank less": ((5,), ())}


def test_a_rank_is_refused_for_itself() -> None:
    """A rank more is accepted, one less is not."""
    found = dict(other_ranks(((3,),), (0,), lambda shapes: len(shapes[0]) >= 1))
    assert found == {"one rank more": ((2, 3),)}


def test_a_number_loses_no_axis() -> None:
    assert dict(other_ranks(((),), (0,), anything)) == {"one rank more": ((2,),)}
