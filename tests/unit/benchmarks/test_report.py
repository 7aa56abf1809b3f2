"""The figures say honestly whether they are met."""

import pytest

from benchmarks.report import Figure, report


@pytest.mark.parametrize(
    ("value", "target", "line"),
    [
        (0, "0", "RESULT flow.lost 0 events target 0 met"),
        (1, "0", "RESULT flow.lost 1 events target 0 missed"),
        (10.0, ">=10", "RESULT flow.lost 10.000 events target >=10 met"),
        (9.999, ">=10", "RESULT flow.lost 9.999 events target >=10 missed"),
        (50.001, "<=50", "RESULT flow.lost 50.001 events target <=50 missed"),
    ],
)
def test_a_line_says_whether_its_target_is_met(value, target, line):
    assert Figure("flow.lost", value, "events", target).line() == line


def test_one_missed_figure_is_an_exit_code_of_one(capsys):
    good, bad = Figure("a.b", 0, "x", "0"), Figure("a.c", 1, "x", "0")
    assert report([good]) == 0
    assert report([bad, good]) == 1
    assert capsys.readouterr().out.count("RESULT") == 3
