"""Array literals hold any text, and a column that is alike travels once."""

import uuid

import pytest

from apps.core.rows import Given, array_literal, column_of, insert_statement, uuid_array
from apps.workflows.models import Step, WorkflowRun


def test_quotes_backslashes_and_nothing():
    assert array_literal(['a"b', "c\\d", "", None, "{e,f}"]) == (
        '{"a\\"b","c\\\\d","",NULL,"{e,f}"}'
    )


def test_ids_travel_as_hexadecimal():
    assert uuid_array([uuid.UUID(int=10), uuid.UUID(int=2**127)]) == (
        "{0000000000000000000000000000000a,80000000000000000000000000000000}"
    )


def test_what_is_alike_travels_once():
    given = Given.of(Step, {"name": ["a", "a"], "output": [{"n": 1}, {"n": 2}]})
    assert given.scalars() == ["a"]
    assert given.arrays() == ['{"{\\"n\\":1}","{\\"n\\":2}"}']


def test_a_relation_is_no_column():
    with pytest.raises(LookupError, match="is not a column"):
        column_of(WorkflowRun, "steps")


def test_a_statement_names_every_column_without_a_default_of_the_database():
    statement, values = insert_statement(Step, {"name": ["a", "b"]}, common={"position": 3})
    assert "statement_timestamp()" in statement
    assert '"state"' in statement
    assert "pending" in values
    assert statement.count("%s") == len(values)
