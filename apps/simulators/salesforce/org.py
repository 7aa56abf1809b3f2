"""The org: records with their checks, system fields, roll-ups and ledger lines."""

from __future__ import annotations

from typing import Any, Protocol

from apps.simulators.core.codec import Document
from apps.simulators.core.kit import Kit
from apps.simulators.core.ledger import Entry
from apps.simulators.core.money import amount_text
from apps.simulators.core.store import Reader
from apps.simulators.salesforce.errors import SalesforceError, no_such_column, not_found
from apps.simulators.salesforce.fields import Field, SObject
from apps.simulators.salesforce.ids import long_id, make_id
from apps.simulators.salesforce.order_objects import OBJECTS
from apps.simulators.salesforce.values import clean, moment_text

DEFAULT_CURRENCY = "USD"
CREATE_ONLY = frozenset({"SBQQ__Quote__c"})  # a master-detail parent cannot be changed later
AMOUNT_FIELDS = {"SBQQ__Quote__c": "SBQQ__NetAmount__c", "Order": "TotalAmount"}
LEDGER_DETAIL = (
    "Name",
    "OrderNumber",
    "ContractNumber",
    "SBQQ__Status__c",
    "ApprovalStatus__c",
    "SBQQ__Quote__c",
    "SBQQ__Account__c",
    "SBQQ__MasterContract__c",
    "SBQQ__Quantity__c",
    "Hub_Status__c",
    "Hub_Order__c",
)


class Triggers(Protocol):
    """What the CPQ package does around a write."""

    def before_save(self, org: Org, sobject: SObject, record: Document) -> Document: ...

    def after_save(
        self, org: Org, sobject: SObject, before: Document | None, after: Document
    ) -> None: ...


class Org:
    """All records; `user` is the id of who writes in the call at hand."""

    def __init__(self, kit: Kit, triggers: Triggers) -> None:
        self.kit, self.store = kit, kit.store
        self._triggers = triggers
        self.user = make_id("005", 1)
        for sobject in OBJECTS.values():
            for field in sobject.fields.values():
                if field.external_id or (field.kind == "reference" and field.to != "User"):
                    self.store.index(sobject.name, field.name)

    # Reading

    def find(self, sobject: SObject, key: str, reader: Reader | None = None) -> Document:
        """A record by id. Raises NOT_FOUND, or ENTITY_IS_DELETED for the recycle bin."""
        record = (reader or self.store).get(sobject.name, long_id(key))
        if record is None:
            raise not_found(
                f"Provided external ID field does not exist or is not accessible: {key}"
                if len(key) not in (15, 18)
                else "The requested resource does not exist"
            )
        if record["IsDeleted"]:
            raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted", status=404)
        return record

    def find_by(
        self, sobject: SObject, field: Field, value: str, reader: Reader | None = None
    ) -> list[Document]:
        found = (reader or self.store).find(sobject.name, field.name, value)
        return [record for record in found if not record["IsDeleted"]]

    # Writing

    def create(self, sobject: SObject, values: Document) -> str:
        """Insert a record as a user would; returns its id."""
        cleaned = self._cleaned(sobject, values)
        missing = [
            f.name for f in sobject.own_fields if f.required and cleaned.get(f.name) is None
        ]
        if missing:
            raise SalesforceError(
                "REQUIRED_FIELD_MISSING",
                f"Required fields are missing: [{', '.join(missing)}]",
                fields=tuple(missing),
            )
        return self.insert(sobject, cleaned)

    def update(self, sobject: SObject, key: str, values: Document) -> None:
        """Change a record as a user would."""
        before = self.find(sobject, key)
        cleaned = self._cleaned(sobject, values)
        fixed = [n for n in cleaned if n in CREATE_ONLY and cleaned[n] != before[n]]
        if fixed and sobject.name == "SBQQ__QuoteLine__c":
            raise SalesforceError(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                f"Unable to create/update fields: {fixed[0]}. Please check the security settings "
                f"of this field and verify that it is read/write for your profile or permission "
                f"set.",
                fields=tuple(fixed),
            )
        self.write(sobject, before, cleaned)

    def delete(self, sobject: SObject, key: str) -> None:
        before = self.find(sobject, key)
        self.write(sobject, before, {"IsDeleted": True})

    def insert(self, sobject: SObject, values: Document) -> str:
        """Insert without the checks of a user's write (package code does this)."""
        number = self.store.next_number(f"id:{sobject.prefix}")
        key = make_id(sobject.prefix, number)
        now = moment_text(self.kit.clock.now())
        record: Document = {"Id": key}
        for field in sobject.fields.values():
            record.setdefault(field.name, False if field.kind == "boolean" else None)
        record |= {"CurrencyIsoCode": DEFAULT_CURRENCY, **sobject.defaults, **values}
        if sobject.numbered:
            name, pattern = sobject.numbered
            record[name] = pattern.format(number)
        record |= {"CreatedDate": now, "CreatedById": self.user, "OwnerId": self.user}
        self._save(sobject, None, record)
        return key

    def write(self, sobject: SObject, before: Document, changes: Document) -> Document:
        """Update without the checks of a user's write."""
        return self._save(sobject, before, {**before, **changes})

    # Inside

    def _save(self, sobject: SObject, before: Document | None, record: Document) -> Document:
        now = moment_text(self.kit.clock.now())
        record |= {
            "LastModifiedDate": now,
            "LastModifiedById": self.user,
            "SystemModstamp": now,
        }
        record = self._triggers.before_save(self, sobject, record)
        self._check_unique(sobject, before, record)
        after = self.store.put(sobject.name, record["Id"], record)
        self._record(sobject, before, after)
        self._triggers.after_save(self, sobject, before, after)
        return after

    def _cleaned(self, sobject: SObject, values: Document) -> Document:
        cleaned: Document = {}
        for name, value in values.items():
            if name == "attributes":
                continue
            if name in sobject.parents and isinstance(value, dict):
                field = sobject.parents[name]
                cleaned[field.name] = self._by_external_id(field, value)
                continue
            known = sobject.find_field(name)
            if known is None:
                raise no_such_column(name, sobject.name)
            if known.read_only:
                raise SalesforceError(
                    "INVALID_FIELD_FOR_INSERT_UPDATE",
                    f"Unable to create/update fields: {known.name}. Please check the security "
                    f"settings of this field and verify that it is read/write for your profile "
                    f"or permission set.",
                    fields=(known.name,),
                )
            cleaned[known.name] = self._checked(known, clean(known, value))
        return cleaned

    def _checked(self, field: Field, value: Any) -> Any:
        if field.kind == "reference" and value is not None and field.to != "User":
            target = self.store.get(str(field.to), value)
            if target is None or target["IsDeleted"]:
                raise SalesforceError(
                    "INVALID_CROSS_REFERENCE_KEY",
                    f"invalid cross reference id: {field.name} {value}",
                    fields=(field.name,),
                )
        return value

    def _by_external_id(self, field: Field, value: Document) -> str:
        """{"Account__r": {"Hub_Id__c": "X"}} names a parent by its external id."""
        parent = OBJECTS[str(field.to)]
        pairs = [(n, v) for n, v in value.items() if n != "attributes"]
        external = parent.find_field(pairs[0][0]) if len(pairs) == 1 else None
        found = self.find_by(parent, external, pairs[0][1]) if external else []
        if len(found) != 1:
            raise SalesforceError(
                "INVALID_FIELD",
                f"Foreign key external ID: {pairs} not found for field {field.name} in entity "
                f"{parent.name}",
                fields=(field.name,),
            )
        return str(found[0]["Id"])

    def _check_unique(self, sobject: SObject, before: Document | None, after: Document) -> None:
        for field in sobject.own_fields:
            value = after.get(field.name)
            if not field.unique or value is None or (before and before[field.name] == value):
                continue
            others = [r for r in self.find_by(sobject, field, value) if r["Id"] != after["Id"]]
            if others:
                raise SalesforceError(
                    "DUPLICATE_VALUE",
                    f"duplicate value found: {field.name} duplicates value on record with id: "
                    f"{others[0]['Id'][:15]}",
                    fields=(field.name,),
                )

    def _record(self, sobject: SObject, before: Document | None, after: Document) -> None:
        action = "deleted" if after["IsDeleted"] else "updated" if before else "created"
        amount = after.get(AMOUNT_FIELDS.get(sobject.name, ""))
        currency = after["CurrencyIsoCode"]
        self.kit.ledger.record(
            Entry(
                action=action,
                object=sobject.name,
                id=after["Id"],
                external_ref=after.get("Hub_Id__c"),
                entity=after.get("Legal_Entity__c"),
                currency=currency,
                net=None if amount is None else amount_text(amount, currency),
                detail={n: after[n] for n in LEDGER_DETAIL if after.get(n) is not None},
            )
        )
