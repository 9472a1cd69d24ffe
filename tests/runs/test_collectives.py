"""What a program moves, from its text: what is in a loop, and what is not."""

from types import SimpleNamespace

from manual_vs_auto.runs.collectives import moved, told

TEXT = """
%sum (x: f32[], y: f32[]) -> f32[] {
  ROOT %add = f32[] add(%x, %y)
}

%inner (p: (s32[], f32[4])) -> (s32[], f32[4]) {
  %all-gather.1 = bf16[8,16]{1,0} all-gather(%y), dimensions={0}
}

%body (p: (s32[], f32[4])) -> (s32[], f32[4]) {
  %all-reduce.1 = (f32[7,17]{1,0}, f32[]) all-reduce(%a, %b), to_apply=%sum, metadata={op_name="all-reduce(x)"}
  %start = f64[3]{0} all-reduce-start(%c), to_apply=%sum
  %done = f64[3]{0} all-reduce-done(%start)
  %while.2 = (s32[], f32[4]) while(%t), condition=%condition, body=%inner
}

%condition (p: (s32[], f32[4])) -> pred[] {
  %all-reduce.9 = pred[] all-reduce(%d), to_apply=%sum
}

ENTRY %main (a: f32[4]) -> f32[4] {
  %reduce-scatter.1 = s8[10]{0} reduce-scatter(%e), to_apply=%sum
  %while.1 = (s32[], f32[4]) while(%t), condition=%condition, body=%body
}
"""
PROGRAM = SimpleNamespace(as_text=lambda: TEXT)


def test_what_is_moved() -> None:
    looped, once = moved(PROGRAM)
    # In each round of the outer loop: what its body sums, what the inner loop's condition does, and what that gathers.
    assert looped == {"all-reduce": 4 * 7 * 17 + 4 + 8 * 3 + 1, "all-gather": 2 * 8 * 16}
    assert once == {"reduce-scatter": 10, "all-reduce": 1}
    words = told(PROGRAM, "a step", "an epoch").split(", ")
    assert words == [
        "505 bytes a step by all-reduce", "256 bytes a step by all-gather", "10 bytes an epoch by reduce-scatter",
        "1 bytes an epoch by all-reduce",
    ]  # fmt: skip
    assert (
        told(SimpleNamespace(as_text=lambda: "ENTRY %main (a: f32[]) -> f32[] {\n}"), "a step", "an epoch") == "nothing"
    )
