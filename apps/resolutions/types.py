"""What crosses the border of this app."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

RETRY, MAP_VALUE, CORRECT, EDIT = "retry", "map_value", "correct_master_data", "edit_and_retry"
NEXT_PERIOD, DISCARD, DECIDE = "retry_next_period", "discard", "decide_outcome"
SKIP = "skip_head"

SET_ASIDE = "events.set_aside"  # the subject of a case: an event that a subscriber failed on


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """An input of a remedy's form. ``kind`` is text, textarea, json, select or check; ``options``
    are values known for a text, to choose from. On another choice of one that ``steers`` the form
    is asked for anew: other inputs hang on it."""

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    help: str = ""
    required: bool = True
    choices: tuple[Choice, ...] = ()
    options: tuple[str, ...] = ()
    steers: bool = False


@dataclass(frozen=True, slots=True)
class Remedy:
    """A way to settle a case, in plain words.

    ``held`` of ``tried`` such cases stayed settled by it. ``blocked`` says why this person may
    not use it, empty when they may. ``members`` are how many open cases of the family it settles.
    """

    code: str
    title: str
    note: str
    scope: str
    scope_note: str
    fields: tuple[Field, ...] = ()
    held: int = 0
    tried: int = 0
    members: int = 1
    poor: bool = False
    needs_reason: bool = False
    needs_second_person: bool = False
    blocked: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A remedy that was proposed and waits for a second person: under which request, by whom."""

    remedy: str
    approval: str
    asked_by: str

    @property
    def words(self) -> str:
        return f"Waits for {self.approval}, asked by {self.asked_by}."


@dataclass(frozen=True, slots=True)
class Evidence:
    """How often a remedy was tried on cases of one code, and how often it held."""

    tried: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True)
class MasterData:
    """The record and field at fault in a case, with the record's present values."""

    record_type: str
    record_id: uuid.UUID
    label: str
    version: int
    field: str
    values: Mapping[str, str]
