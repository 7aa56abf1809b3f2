"""What the people of the demo do about the planted problems, in the console."""

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

from scenario import seed
from scenario.drive import approval
from scenario.forms import read_form
from scenario.hub import HubRefused, Person
from scenario.platforms import Platform, Salesforce

OPEN_STATES = {"open", "assigned", "snoozed", "reopened"}
Row = dict[str, str]
MESSAGE = re.compile(r'href="(/messages/[a-z]+/[0-9a-f-]{36}/)"')


def open_rows(person: Person) -> list[Row]:
    """The open exceptions as the console exports them."""
    text = person.page("/exceptions/export/?view=open").lstrip("\ufeff")
    rows = [
        {k.strip().lower(): v for k, v in row.items()} for row in csv.DictReader(io.StringIO(text))
    ]
    return [row for row in rows if row["state"].lower() in OPEN_STATES]


def apply(person: Person, number: str, remedy: str, **values: str) -> None:
    """Open a remedy's form, fill in what is given, submit it."""
    path = f"/exceptions/{number}/remedies/{remedy}/"
    form = read_form(person.page(path))
    person.post(path, **{**form, **values})


def retry_in_bulk(person: Person, numbers: list[str]) -> str:
    """Retry several exceptions as one batch; returns its number."""
    preview = person.post("/exceptions/batches/", ids=numbers, action="retry")
    form = read_form(preview.text)
    answer = person.post("/exceptions/batches/", **{**form, "ids": numbers, "confirm": "1"})
    found = re.search(r"B-\d+", answer.headers.get("HX-Redirect", "") + answer.text)
    return found.group(0) if found else ""


def approve_all(person: Person) -> int:
    """The second person approves what waits for a decision; returns how many."""
    numbers = sorted(set(re.findall(r"APR-\d+", person.page("/approvals/"))))
    for number in numbers:
        form = read_form(person.page(f"/approvals/{number}/"))
        person.post(
            f"/approvals/{number}/approve/", **{**form, "note": "Checked in the catalogue"}
        )
    return len(numbers)


def resolve_planted(rows: list[Row], mara: Person, idris: Person) -> None:
    """One action per cause, as the suggested fix says; mapping changes need a second person."""
    by_code: dict[str, list[Row]] = {}
    for row in rows:
        by_code.setdefault(row["code"], []).append(row)
    for code, act in ACTIONS.items():
        if by_code.get(code):
            act(by_code[code], mara, idris)


def _tax(rows: list[Row], mara: Person, idris: Person) -> None:
    right = {
        "Cedar Falls Dairy": ("state_code", "IL"),
        "Maison Lenoir SAS": ("vat_id", "FR40303265045"),
    }
    for row in rows:
        field, value = right[row["customer"]]
        apply(mara, row["number"], "correct_master_data", field=field, value=value)


def _department(rows: list[Row], mara: Person, idris: Person) -> None:
    for row in rows:
        value = "SALES-APAC" if row["customer"].endswith("KK") else "SALES-AMER"
        apply(mara, row["number"], "correct_master_data", field="department", value=value)


def _map(rows: list[Row], mara: Person, idris: Person) -> None:
    # No document was posted with the new item yet, so Mara must say that she looked it up.
    apply(mara, rows[0]["number"], "map_value", target_value="EDGE-NODE", acknowledged="on")
    approve_all(idris)


def _next_period(rows: list[Row], mara: Person, idris: Person) -> None:
    for row in rows:
        apply(
            mara, row["number"], "retry_next_period", reason="Agreed with finance for this month"
        )


def _malformed(rows: list[Row], mara: Person, idris: Person) -> None:
    """The message of an invoice that exists is mended; the one of none is discarded."""
    for row in rows:
        if row["document"] == "in_planted":
            apply(mara, row["number"], "discard", reason="A test message of billing, no document")
        else:
            _put_the_invoice_back(mara, row["number"])


def _put_the_invoice_back(mara: Person, number: str) -> None:
    """Mara looks the invoice up in billing and enters it whole. Raises ``HubRefused`` when the
    hub does not keep the original beside her version."""
    path = f"/exceptions/{number}/remedies/edit_and_retry/"
    form = read_form(mara.page(path))
    event = json.loads(form["payload"])
    invoice = find_invoice(event["data"]["object"]["number"])
    event["data"]["object"] = invoice
    mara.post(path, **{**form, "payload": json.dumps(event, indent=2)})
    if not is_kept(mara, str(invoice["id"])):
        raise HubRefused(f"the original of {number} is not kept beside the edited message")


def find_invoice(number: str) -> dict[str, Any]:
    """The invoice as billing shows it now. Raises ``LookupError`` when it has none such."""
    auth = {"Authorization": f"Bearer {seed.STRIPE_KEY}"}
    query: dict[str, Any] = {"limit": 100}
    more = True
    while more:
        page = Platform("stripe").call("GET", "/v1/invoices", params=query, headers=auth)
        for invoice in page["data"]:
            if invoice["number"] == number:
                return dict(invoice)
        more = page["has_more"]
        query["starting_after"] = page["data"][-1]["id"]
    raise LookupError(f"billing has no invoice {number}")


def is_kept(person: Person, object_id: str) -> bool:
    """Whether the console shows a message of this object as edited, beside what was received."""
    listed = person.page(f"/messages/?q={object_id}")
    pages = [person.page(path) for path in sorted(set(MESSAGE.findall(listed)))]
    return any("A person edited" in page and "As received" in page for page in pages)


def _unapproved(rows: list[Row], mara: Person, idris: Person) -> None:
    """The deal desk approves after all, in the CRM, which sends the quote again."""
    crm = Salesforce()
    for row in rows:
        found = crm.query(
            f"SELECT Id FROM SBQQ__Quote__c WHERE Name = '{row['document']}'"  # noqa: S608
        )
        crm.update("SBQQ__Quote__c", found[0]["Id"], **approval())


def _outage(rows: list[Row], mara: Person, idris: Person) -> None:
    """The outage is over by now; what had run out of attempts is retried as one batch."""
    retry_in_bulk(mara, [row["number"] for row in rows])


ACTIONS: dict[str, Callable[[list[Row], Person, Person], None]] = {
    "tax_validation_failed": _tax,
    "missing_dimension": _department,
    "unmapped_product": _map,
    "period_closed": _next_period,
    "malformed_payload": _malformed,
    "acceptance_without_approval": _unapproved,
    "vendor_outage": _outage,
}
