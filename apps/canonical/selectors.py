"""Reads of canonical records: the facts of workflow steps, and lists for pages and API."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.db.models import Q

from apps.canonical.models import (
    AccountingDimension,
    Amendment,
    Customer,
    Invoice,
    Order,
    Product,
    Quote,
    TaxCode,
)
from apps.canonical.models.commercial import LineRecord
from apps.core.money import exponent_of
from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.organisation.models import LegalEntity

Facts = dict[str, Any]


def order_facts(ids: list[str]) -> dict[str, Facts]:
    """What the steps of order activation read, by order id; plain JSON types."""
    orders = (
        Order.objects.select_related("customer", "contract", "quote", "legal_entity")
        .prefetch_related("lines__product")
        .filter(id__in=ids)
    )
    return {str(order.id): _order(order) for order in orders}


def _order(order: Order) -> Facts:
    return {
        "order": {
            "id": str(order.id),
            "number": order.number,
            "currency": order.currency,
            "net": str(order.net),
            "start_date": order.start_date.isoformat(),
            "end_date": order.end_date.isoformat(),
            "department": order.department,
        },
        "currency": order.currency,
        "minor_unit": _minor_unit(order.currency),
        "entity": _entity(order.legal_entity),
        "customer": _customer(order.customer, order.department),
        "contract": {
            "id": str(order.contract_id),
            "number": order.contract.number,
            "start_date": order.contract.start_date.isoformat(),
            "end_date": order.contract.end_date.isoformat(),
        },
        "quote": _quote(order.quote),
        "lines": [_line(line) for line in order.lines.all()],
    }


def _minor_unit(currency: str) -> str:
    """The least amount of a currency: 0.01 of EUR, 1 of JPY."""
    return str(Decimal(1).scaleb(-exponent_of(currency)))


def _quote(quote: Quote) -> Facts:
    return {"id": str(quote.id), "number": quote.number, "source": quote.source_system}


def _entity(entity: LegalEntity | None) -> Facts:
    if entity is None:
        return {"code": "", "country": "", "currency": ""}
    return {
        "code": entity.code,
        "country": entity.country,
        "currency": entity.functional_currency_id,
    }


def _customer(customer: Customer, department: str = "") -> Facts:
    return {
        "id": str(customer.id),
        "number": customer.number,
        "version": customer.version,
        "name": customer.name,
        "email": customer.email,
        "vat_id": customer.vat_id,
        "street": customer.street,
        "city": customer.city,
        "state_code": customer.state_code,
        "postal_code": customer.postal_code,
        "country": customer.country,
        "currency": customer.currency,
        "department": customer.department or department,
        "location": customer.location,
        "payment_terms_days": customer.payment_terms_days,
    }


def _line(line: LineRecord) -> Facts:
    product = line.product
    return {
        "position": line.position,
        "parent_position": line.parent_position,
        "sku": product.sku,
        "product_name": product.name,
        "description": line.description or product.name,
        "charge_type": line.charge_type,
        "frequency": line.frequency,
        "interval": {"monthly": "month", "annual": "year"}.get(line.frequency, ""),
        "quantity": _plain(line.quantity),
        "prior_quantity": _plain(line.prior_quantity),
        "unit_price": _plain(line.unit_price),
        "net": str(line.net),
        "revenue_class": product.revenue_class,
        "tax_category": product.tax_category,
        "key": line.external_key,
        "line_key": line.external_key,
    }


def _plain(number: Decimal) -> str:
    """A rate without its trailing zeros: 12, 330.5."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def amendment_facts(ids: list[str]) -> dict[str, Facts]:
    """What the steps of an amendment read, by amendment id."""
    amendments = (
        Amendment.objects.select_related("contract", "quote__customer", "legal_entity")
        .prefetch_related("quote__lines__product")
        .filter(id__in=ids)
    )
    booked = _booked_orders([a.contract_id for a in amendments])
    return {str(a.id): _amendment(a, booked) for a in amendments}


def amendments_before(ids: list[str]) -> dict[str, list[Facts]]:
    """Unapplied amendments of the same contract before each of these, the earliest first."""
    asked = list(Amendment.objects.filter(id__in=ids).values_list("id", "contract", "generation"))
    waiting = Amendment.objects.filter(
        contract__in={contract for _, contract, _ in asked}, applied_at__isnull=True
    ).order_by("generation")
    rows = list(waiting.values_list("id", "contract", "generation", "number"))
    return {
        str(pk): [
            {"id": str(other), "number": number}
            for other, of, place, number in rows
            if of == contract and place < generation
        ]
        for pk, contract, generation in asked
    }


def _booked_orders(contract_ids: Iterable[uuid.UUID]) -> Mapping[uuid.UUID, Order]:
    """The order of each contract."""
    rows = Order.objects.filter(contract_id__in=list(contract_ids))
    return {order.contract_id: order for order in rows}


def _contract(order: Order | None, contract: Any) -> Facts:
    return {
        "id": str(contract.id),
        "number": contract.number,
        "start_date": contract.start_date.isoformat(),
        "end_date": contract.end_date.isoformat(),
        "booked": bool(order and order.booked_at),
        "order_id": str(order.id) if order else "",
        "order_number": order.number if order else "",
    }


def _amendment(amendment: Amendment, orders: Mapping[uuid.UUID, Order]) -> Facts:
    order = orders.get(amendment.contract_id)
    quote = amendment.quote
    lines = [_line(line) for line in quote.lines.all()]
    customer = _customer(quote.customer, quote.department)
    return {
        "amendment": {
            "id": str(amendment.id),
            "number": amendment.number,
            "generation": amendment.generation,
            "effective_date": amendment.effective_date.isoformat(),
            "posting_date": amendment.created_at.date().isoformat(),
            "currency": amendment.currency,
            "net_per_term": str(amendment.net_per_term),
            "prorated_net": str(amendment.prorated_net),
            "proration": amendment.proration.get("words", ""),
        },
        "currency": amendment.currency,
        "entity": _entity(amendment.legal_entity),
        "customer": customer,
        "contract": _contract(order, amendment.contract),
        "quote": _quote(quote),
        "lines": lines,
        "dimensions": _dimensions(customer, lines),
    }


def _dimensions(customer: Facts, lines: list[Facts]) -> Facts:
    return {
        "department": customer["department"],
        "class": next((line["revenue_class"] for line in lines if line["revenue_class"]), ""),
        "location": customer["location"],
    }


def invoice_facts(ids: list[str]) -> dict[str, Facts]:
    """What the steps of invoice posting read, by invoice id."""
    invoices = (
        Invoice.objects.select_related("contract", "customer", "legal_entity", "schedule")
        .prefetch_related("lines__product", "tax_lines", "schedule__lines")
        .filter(id__in=ids)
    )
    orders = _booked_orders([i.contract_id for i in invoices])
    return {str(i.id): _invoice(i, orders) for i in invoices}


def _invoice(invoice: Invoice, orders: Mapping[uuid.UUID, Order]) -> Facts:
    order = orders.get(invoice.contract_id) if invoice.contract_id else None
    posting_date = invoice.posting_date or invoice.invoice_date
    customer = _customer(invoice.customer, order.department if order else "")
    rates = {t.tax_code: _plain(t.rate) for t in invoice.tax_lines.all()}
    lines = [_invoice_line(line, rates) for line in invoice.lines.all()]
    return {
        "invoice": {
            "id": str(invoice.id),
            "number": invoice.number,
            "currency": invoice.currency,
            "net": str(invoice.net),
            "tax": str(invoice.tax),
            "gross": str(invoice.gross),
            "invoice_date": invoice.invoice_date.isoformat(),
            "due_date": invoice.due_date.isoformat() if invoice.due_date else "",
            "posting_date": posting_date.isoformat(),
        },
        "currency": invoice.currency,
        "minor_unit": _minor_unit(invoice.currency),
        "entity": _entity(invoice.legal_entity),
        "customer": customer,
        "contract": _contract(order, invoice.contract),
        "lines": lines,
        "tax_lines": [
            {"tax_code": t.tax_code, "rate": _plain(t.rate), "taxable": str(t.taxable),
             "tax": str(t.tax)}
            for t in invoice.tax_lines.all()
        ],
        "dimensions": _dimensions(customer, lines),
        "schedule": _schedule(invoice, posting_date),
    }  # fmt: skip


def _invoice_line(line: Any, rates: Mapping[str, str]) -> Facts:
    product = line.product
    return {
        "position": line.position,
        "sku": product.sku if product else "",
        "description": line.description,
        "quantity": _plain(line.quantity),
        "unit_price": _plain(line.unit_price),
        "net": str(line.net),
        "tax": str(line.tax),
        "tax_code": line.tax_code,
        "tax_rate": rates.get(line.tax_code, "0"),
        "external_key": line.external_key,
        "tax_category": product.tax_category if product else "saas",
        "revenue_class": product.revenue_class if product else "",
        "service_start": line.service_start.isoformat() if line.service_start else "",
        "service_end": line.service_end.isoformat() if line.service_end else "",
    }


def _schedule(invoice: Invoice, posting_date: dt.date) -> Facts:
    schedule = getattr(invoice, "schedule", None)
    if schedule is None:
        return {"number": "", "due_now": "0"}
    month = f"{posting_date:%Y-%m}"
    due = sum((x.amount for x in schedule.lines.all() if x.period_code <= month), Decimal(0))
    return {"number": schedule.number, "due_now": str(due)}


def list_customers(principal: Principal) -> ScopedQuerySet:
    return Customer.objects.visible_to(principal).select_related("legal_entity").order_by("number")


def list_products(principal: Principal) -> ScopedQuerySet:
    return Product.objects.visible_to(principal).order_by("sku")


def list_orders(principal: Principal) -> ScopedQuerySet:
    return (
        Order.objects.visible_to(principal)
        .select_related("customer", "contract", "legal_entity")
        .order_by("-id")
    )


def list_invoices(principal: Principal) -> ScopedQuerySet:
    return (
        Invoice.objects.visible_to(principal)
        .select_related("customer", "contract", "legal_entity")
        .order_by("-id")
    )


def list_dimensions(principal: Principal) -> ScopedQuerySet:
    return AccountingDimension.objects.visible_to(principal).order_by("kind", "code")


def list_tax_codes(principal: Principal) -> ScopedQuerySet:
    return TaxCode.objects.visible_to(principal).order_by("code")


def known_keys(keys: Iterable[str]) -> set[str]:
    """Those of the keys ``contract:<number or CPQ id>`` whose contract exists."""
    wanted = {key.partition(":")[2]: key for key in keys if key.startswith("contract:")}
    found = Order.objects.filter(
        Q(contract__number__in=wanted) | Q(quote__contract_reference__in=wanted)
    ).values_list("contract__number", "quote__contract_reference")
    return {wanted[value] for pair in found for value in pair if value in wanted}
