"""A connection says which case holds what waits there."""

import datetime as dt

import pytest

from apps.console.sections.connectors import connection_detail, list_connections
from tests.builders.people import make_entities, make_principal
from tests.builders.stuck import make_connection, make_posting, open_case

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


def test_writes_behind_a_stuck_one_name_its_case() -> None:
    entity, connection = make_entities()["DE01"], make_connection()
    ada = make_principal("Ada", "admin")
    head = make_posting(connection, entity, "send", "reject", ordering_key="contract:1")
    make_posting(connection, entity, ordering_key="contract:1")
    make_posting(connection, entity, ordering_key="contract:2")
    alone = make_posting(connection, entity, "send", "reject", ordering_key="contract:3")
    case = open_case(entity, "postings.posting", head.id, NOW)
    open_case(entity, "postings.posting", alone.id, NOW, fingerprint=("other",))
    (row,) = list_connections(ada, NOW)
    assert (row.waiting, row.held_by) == (2, (case.reference,))
    assert connection_detail(connection, ada, NOW).row.held_by == (case.reference,)


def test_a_case_that_one_may_not_see_is_not_named() -> None:
    entities, connection = make_entities(), make_connection()
    head = make_posting(connection, entities["DE01"], "send", "reject", ordering_key="contract:1")
    make_posting(connection, entities["DE01"], ordering_key="contract:1")
    open_case(entities["DE01"], "postings.posting", head.id, NOW)
    japan = make_principal("Jun", "operations", entity=entities["JP01"])
    assert [row.held_by for row in list_connections(japan, NOW)] == [()]
