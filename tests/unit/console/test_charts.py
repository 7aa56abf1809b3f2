"""Small charts: shares that sum to the whole, geometry without surprises at the edges."""

from apps.console.presentation.charts import (
    Burn,
    Part,
    RankedBar,
    lay_out_bars,
    lay_out_burn,
    lay_out_spark,
    lay_out_stack,
    shares,
)


def test_shares_sum_to_the_whole_and_keep_small_parts_visible() -> None:
    values = shares([2241, 52, 17, 2690])

    assert round(sum(values), 6) == 100
    assert min(values) > 0.7
    assert shares([0, 0]) == [0.0, 0.0]


def test_a_part_of_nothing_is_not_drawn() -> None:
    segments = lay_out_stack([Part("a", 3, "3"), Part("b", 0, "0"), Part("c", 1, "1")])

    assert [(s.part.label, s.x) for s in segments] == [("a", "0.00%"), ("c", "75.00%")]


def test_spark_fills_its_height_and_marks_the_recent() -> None:
    columns = lay_out_spark([0, 5, 10], recent=1, width=30, height=20)

    assert [c.height for c in columns] == ["1.0", "10.0", "20.0"]
    assert [c.recent for c in columns] == [False, False, True]
    assert lay_out_spark([], recent=3, width=30, height=20) == ()


def test_the_longest_bar_takes_the_room_and_figures_follow_the_bars() -> None:
    long, short = lay_out_bars([RankedBar("a", 30, "$30", 10), RankedBar("b", 10, "$10")])

    assert (long.first, long.second, long.text_x) == ("41.25%", "13.75%", "86.00%")
    assert short.text_x == "44.75%"


def test_burn_down_ends_where_the_projection_starts() -> None:
    shape = lay_out_burn(
        Burn(((0, 60), (0.7, 14)), (0.97, 0), 0.9, "23 Oct", "14 now", "Not ready in time.")
    )

    assert shape.projection.startswith(f"M{shape.end_x} {shape.end_y}")
    assert shape.deadline_x == "297.0"
