"""The shapes of fields and objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object. `kind`: id, text, boolean, number, date, datetime, reference."""

    name: str
    kind: str
    length: int = 255
    scale: int = 2
    to: str | None = None  # object a reference points to
    children: str | None = None  # how the parent calls its children, e.g. SBQQ__LineItems__r
    choices: tuple[str, ...] = ()  # a restricted picklist
    required: bool = False
    read_only: bool = False  # formula, roll-up, auto number, system
    external_id: bool = False
    unique: bool = False

    @property
    def relationship(self) -> str:
        """The name under which a query reaches the parent: AccountId -> Account."""
        if self.name.endswith("__c"):
            return f"{self.name[:-1]}r"
        return self.name.removesuffix("Id")


def text(name: str, length: int = 255) -> Field:
    return Field(name, "text", length=length)


def number(name: str, scale: int = 2) -> Field:
    return Field(name, "number", scale=scale)


def boolean(name: str) -> Field:
    return Field(name, "boolean")


def date(name: str) -> Field:
    return Field(name, "date")


def moment(name: str) -> Field:
    return Field(name, "datetime")


def reference(name: str, to: str, children: str | None = None) -> Field:
    return Field(name, "reference", to=to, children=children)


def picklist(name: str, *choices: str) -> Field:
    return Field(name, "text", choices=choices)


def required(plain: Field) -> Field:
    return replace(plain, required=True)


def read_only(*plain: Field) -> list[Field]:
    return [replace(each, read_only=True) for each in plain]


def external_id(name: str, length: int = 80, *, unique: bool = False) -> Field:
    return Field(name, "text", length=length, external_id=True, unique=unique)


@dataclass(frozen=True)
class SObject:
    """An object of the org: key prefix, fields, and the format of its automatic name."""

    name: str
    prefix: str
    own_fields: tuple[Field, ...]
    numbered: tuple[str, str] | None = None  # (field, format of the auto number)
    defaults: dict[str, object] = field(default_factory=dict)

    @cached_property
    def fields(self) -> dict[str, Field]:
        return {each.name: each for each in (*SYSTEM, *self.own_fields)}

    @cached_property
    def parents(self) -> dict[str, Field]:
        """Reference fields by relationship name."""
        return {f.relationship: f for f in self.fields.values() if f.kind == "reference"}

    def find_field(self, name: str) -> Field | None:
        """A field by its name, any case, as SOQL allows."""
        return self.fields.get(name) or self._folded.get(name.lower())

    @cached_property
    def _folded(self) -> dict[str, Field]:
        return {name.lower(): each for name, each in self.fields.items()}


SYSTEM = (
    *read_only(
        Field("Id", "id"),
        boolean("IsDeleted"),
        moment("CreatedDate"),
        reference("CreatedById", "User"),
        moment("LastModifiedDate"),
        reference("LastModifiedById", "User"),
        moment("SystemModstamp"),
    ),
    text("CurrencyIsoCode", 3),
    reference("OwnerId", "User"),
)


def build(objects: Iterable[SObject]) -> dict[str, SObject]:
    return {each.name: each for each in objects}
