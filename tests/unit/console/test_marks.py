"""Template tags: what they write, escaping, numbers under a thousand separator."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from django.template import Context, Template
from django.test import RequestFactory, override_settings

from apps.console.presentation.charts import Part
from apps.console.presentation.flow import Flow, FlowBand, FlowNode
from apps.console.presentation.timeline import Timeline, TimelineStep
from apps.core.money import Money

NOW = dt.datetime(2026, 11, 2, 10, 55, tzinfo=dt.UTC)
REPOSITORY = Path(__file__).resolve().parents[3]


def render(source: str, **context: object) -> str:
    return Template("{% load console charts %}" + source).render(Context(context))


def test_money_dims_the_decimals_and_takes_either_form() -> None:
    expected = (
        '<span class="money" title="EUR 148,210.00">€148,210<span class="cents">.00</span></span>'
    )

    assert render('{% money amount "EUR" %}', amount=Decimal("148210")) == expected
    assert render("{% money amount %}", amount=Money(Decimal("148210"), "EUR")) == expected


def test_yen_has_no_decimals_and_nothing_is_a_dash() -> None:
    assert "cents" not in render('{% money amount "JPY" %}', amount=Decimal("2584"))
    assert render('{% money amount "EUR" %}', amount=None) == '<span class="muted">—</span>'


def test_names_are_escaped_everywhere() -> None:
    nasty = "<b>x"
    drawn = render("{% avatar name %}{% badge name %}{% state name %}", name=nasty)
    drawn += render("{% blk title=name %}{{ name }}{% endblk %}", name=nasty)

    assert nasty not in drawn
    assert drawn.count("&lt;b&gt;x") == 6


def test_an_unknown_icon_is_an_error_and_a_known_one_is_drawn_once() -> None:
    assert render('{% icon "sun" 14 %}') == render('{% icon "sun" 14 %}')
    with pytest.raises(Exception, match="does not exist"):
        render('{% icon "no-such-icon" %}')


@pytest.mark.parametrize(
    ("left", "state"), [(-22, "late"), (30, "near"), (300, "calm")], ids=["late", "near", "calm"]
)
def test_sla_carries_its_state_and_the_moment(left: int, state: str) -> None:
    due = NOW + dt.timedelta(minutes=left)

    drawn = render("{% sla due now %}", due=due, now=NOW)

    assert f'class="sla sla-{state}"' in drawn
    assert f'data-due="{int(due.timestamp())}"' in drawn


def test_systems_tell_where_it_failed() -> None:
    drawn = render('{% systems "BIL" %}')

    assert 'aria-label="Failed at BIL"' in drawn
    assert '<b class="done">CPQ</b><b class="failed">BIL</b><b class="later">ERP</b>' in drawn


def test_query_changes_and_removes_keys() -> None:
    request = RequestFactory().get("/exceptions/?view=all&page=3&q=a b")

    drawn = render('{% query page="" view="mine" %}', request=request)

    assert drawn == "q=a+b&amp;view=mine" or drawn == "q=a+b&view=mine"


@override_settings(USE_THOUSAND_SEPARATOR=True)
def test_geometry_and_ids_survive_the_thousand_separator() -> None:
    nodes = (FlowNode("a", "A", 0), FlowNode("b", "B", 1))
    flow = Flow(nodes, (FlowBand("a", "b", 1500, "1,500", 1200),), "USD")
    timeline = Timeline((("a", "A"),), (TimelineStep("a", "S", NOW, None, "running"),), NOW)

    drawn = render("{% flow flow %}", flow=flow)
    drawn += render("{% lanes timeline %}", timeline=timeline)
    drawn += render('{% stack parts label="x" %}', parts=[Part("a", 5000, "5,000")])
    drawn += render("{% spark values %}", values=[1000, 2000])

    assert 'viewBox="0 0 1000 208"' in drawn
    assert not [line for line in drawn.splitlines() if ',"' in line or ',0"' in line]


def test_no_template_or_drawing_needs_an_inline_style_or_script() -> None:
    sources = "".join(path.read_text() for path in (REPOSITORY / "templates").rglob("*.html"))

    assert "style=" not in sources
    assert "<script>" not in sources
    assert not [
        word for word in (" onclick=", " onload=", " hx-on", "javascript:") if word in sources
    ]
