"""Invoices as billing issued them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.canonical.models import Contract, Invoice, InvoiceLine, Product, RecordVersion, TaxLine
from apps.canonical.services.history import version_row
from apps.canonical.types import Applied, Draft
from apps.core.codec import content_hash
from apps.core.money import parse_amount
from apps.core.principal import Actor
from apps.events.services import publish_events
from apps.events.types import NewEvent


def apply_invoices(drafts: Sequence[Draft], actor: Actor, now: dt.datetime) -> list[Applied]:
    """Store issued invoices once; one of an unknown contract waits for it.

    An issued invoice does not change its content; a later version changes its status alone.
    """
    contracts = {
        c.number: c
        for c in Contract.objects.select_related("customer").filter(
            number__in=[str(d.content.get("contract") or "") for d in drafts]
        )
    }
    known = {
        i.number: i
        for i in Invoice.objects.select_for_update().filter(
            number__in=[str(d.content["number"]) for d in drafts]
        )
    }
    products = _products(drafts)
    made: list[tuple[Draft, Invoice]] = []
    results = [_apply_one(d, contracts, known, made) for d in drafts]
    _write(made, products, actor, now)
    return results


def _products(drafts: Sequence[Draft]) -> dict[str, Product]:
    skus = {str(line["sku"]) for d in drafts for line in d.content["lines"] if line.get("sku")}
    return {p.sku: p for p in Product.objects.filter(sku__in=skus)}


def _apply_one(
    draft: Draft,
    contracts: Mapping[str, Contract],
    known: dict[str, Invoice],
    made: list[tuple[Draft, Invoice]],
) -> Applied:
    content = draft.content
    number = str(content["number"])
    invoice = known.get(number)
    if invoice is not None:
        return _change_status(draft, invoice)
    contract = contracts.get(str(content.get("contract") or ""))
    if contract is None:
        return Applied("waits", waits_for=f"contract:{content.get('contract') or number}")
    wrong = _wrong_sums(content)
    if wrong:
        return Applied(
            "refused",
            journey_id=contract.journey_id,
            legal_entity_id=contract.legal_entity_id,
            error_code="malformed_payload",
            error_message=f"{number} does not add up: {wrong}. Check it in billing, edit the "
            f"message and retry, or discard it with a reason.",
            error_field="total",
            case_facts={"document": number, "customer": contract.customer.name,
                        "amount": parse_amount(content["gross"]),
                        "currency": content["currency"]},
        )  # fmt: skip
    invoice = _invoice(draft, contract)
    known[number] = invoice
    made.append((draft, invoice))
    return Applied("created", invoice.id, invoice.journey_id, invoice.legal_entity_id)


def _change_status(draft: Draft, invoice: Invoice) -> Applied:
    if invoice.source_version >= draft.source_version:
        return Applied("older", invoice.id, invoice.journey_id, invoice.legal_entity_id)
    invoice.source_version = draft.source_version
    invoice.status = str(draft.content.get("status") or invoice.status)
    invoice.save(update_fields=["source_version", "status", "updated_at"])
    return Applied("unchanged", invoice.id, invoice.journey_id, invoice.legal_entity_id)


def _wrong_sums(content: Mapping[str, Any]) -> str:
    net, tax, gross = (parse_amount(content[name]) for name in ("net", "tax", "gross"))
    lines = sum((parse_amount(line["net"]) for line in content["lines"]), Decimal(0))
    if net + tax != gross:
        return f"net {net} and tax {tax} are not gross {gross}"
    return "" if lines == net else f"the lines sum to {lines}, not to net {net}"


def _invoice(draft: Draft, contract: Contract) -> Invoice:
    content = draft.content
    issued = dt.date.fromisoformat(str(content["invoice_date"]))
    due = content.get("due_date")
    prorated = any(line.get("is_proration") for line in content["lines"])
    return Invoice(
        number=str(content["number"]),
        customer=contract.customer,
        contract=contract,
        legal_entity_id=contract.legal_entity_id,
        journey_id=contract.journey_id,
        currency=str(content["currency"]),
        invoice_date=issued,
        posting_date=issued,
        due_date=dt.date.fromisoformat(str(due)) if due else None,
        net=parse_amount(content["net"]),
        tax=parse_amount(content["tax"]),
        gross=parse_amount(content["gross"]),
        generation=contract.generation if prorated else 0,
        status=str(content.get("status") or ""),
        source_system=draft.source_system,
        source_version=draft.source_version,
        content_hash=content_hash(content),
    )


def _write(
    made: Sequence[tuple[Draft, Invoice]],
    products: Mapping[str, Product],
    actor: Actor,
    now: dt.datetime,
) -> None:
    Invoice.objects.bulk_create([invoice for _, invoice in made])
    InvoiceLine.objects.bulk_create(
        [line for d, i in made for line in _lines(i, d.content["lines"], products)]
    )
    TaxLine.objects.bulk_create(
        [line for d, i in made for line in _tax_lines(i, d.content.get("tax_lines") or [])]
    )
    RecordVersion.objects.bulk_create(
        [
            version_row("invoice", i, d.content, source=d.source_system, actor_label=actor.label,
                        now=now, translation_id=d.translation_id)
            for d, i in made
        ]
    )  # fmt: skip
    publish_events([_event(d, i) for d, i in made], actor=actor, now=now)


def _lines(
    invoice: Invoice, lines: Sequence[Mapping[str, Any]], products: Mapping[str, Product]
) -> list[InvoiceLine]:
    return [
        InvoiceLine(
            invoice=invoice,
            position=n,
            product=products.get(str(line.get("sku") or "")),
            description=str(line.get("description") or "")[:250],
            quantity=parse_amount(line.get("quantity") or "1"),
            unit_price=parse_amount(line.get("unit_price") or line["net"]),
            net=parse_amount(line["net"]),
            tax=parse_amount(line.get("tax") or "0"),
            tax_code=str(line.get("tax_code") or ""),
            service_start=_date(line.get("service_start")),
            service_end=_date(line.get("service_end")),
            is_proration=bool(line.get("is_proration")),
            external_key=str(line.get("key") or ""),
        )
        for n, line in enumerate(lines)
    ]


def _date(text: object) -> dt.date | None:
    return dt.date.fromisoformat(str(text)[:10]) if text else None


def _tax_lines(invoice: Invoice, lines: Sequence[Mapping[str, Any]]) -> list[TaxLine]:
    """One row a tax code; billing may list a code once a line."""
    merged: dict[str, TaxLine] = {}
    for line in lines:
        code = str(line["tax_code"])
        row = merged.setdefault(
            code,
            TaxLine(
                invoice=invoice, tax_code=code, rate=_rate(line),
                jurisdiction=str(line.get("jurisdiction") or ""), taxable=Decimal(0),
                tax=Decimal(0),
            ),
        )  # fmt: skip
        row.taxable += parse_amount(line["taxable"])
        row.tax += parse_amount(line["tax"])
    return list(merged.values())


def _rate(line: Mapping[str, Any]) -> Decimal:
    """The rate as a fraction; from the amounts where billing does not name it."""
    if line.get("rate"):
        return parse_amount(line["rate"])
    taxable = parse_amount(line["taxable"])
    return (
        (parse_amount(line["tax"]) / taxable).quantize(Decimal("0.000001")) if taxable else taxable
    )


def _event(draft: Draft, invoice: Invoice) -> NewEvent:
    contract = invoice.contract
    assert contract is not None  # noqa: S101 - invoices without one wait at the door
    return NewEvent(
        type="invoice.created",
        aggregate_type="invoice",
        aggregate_id=invoice.id,
        aggregate_version=invoice.version,
        legal_entity_id=invoice.legal_entity_id,
        journey_id=invoice.journey_id,
        data={
            "number": invoice.number,
            "external_id": draft.external_id,
            "connection_id": draft.connection_id,
            "contract_id": contract.id,
            "contract_number": contract.number,
            "customer": invoice.customer.name,
            "amount": invoice.gross,
            "net": invoice.net,
            "tax": invoice.tax,
            "currency": invoice.currency,
            "invoice_date": invoice.invoice_date,
            "generation": invoice.generation,
            "tax_codes": sorted(
                {str(x["tax_code"]) for x in draft.content.get("tax_lines") or []}
            ),
            "wakes": [f"invoice:{invoice.number}"],
        },
    )
