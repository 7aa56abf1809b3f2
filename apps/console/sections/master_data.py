"""Master data: customers, products, entities, dimensions, tax codes, periods and rates."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.urls import reverse

from apps.canonical.models import Customer, Order, RecordVersion
from apps.canonical.selectors import (
    list_customers,
    list_dimensions,
    list_products,
    list_tax_codes,
)
from apps.connectors.models import Connection
from apps.console.listing import Column, ViewTab
from apps.core.principal import Principal
from apps.core.scoping import ScopedQuerySet
from apps.mappings.models import ExternalReference
from apps.organisation.models import ExchangeRate, LegalEntity
from apps.organisation.selectors import list_periods

Cell = tuple[str, str]  # text, class


@dataclass(frozen=True, slots=True)
class DataRow:
    """A row of any master data table: first cell is the title with a note, then texts."""

    title: str
    note: str
    url: str
    cells: tuple[Cell, ...]
    state: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of master data."""

    key: str
    label: str
    columns: tuple[Column, ...]
    rows: Callable[[Principal], Any]
    search: tuple[str, ...]
    shape: Callable[[Any], DataRow]


def customers_of(principal: Principal) -> ScopedQuerySet:
    """Customers with the department of their newest order that names one, and its number."""
    orders = Order.objects.filter(customer=OuterRef("pk")).exclude(department="").order_by("-id")
    rows: ScopedQuerySet = list_customers(principal).annotate(
        order_department=Subquery(orders.values("department")[:1]),
        order_number=Subquery(orders.values("number")[:1]),
    )
    return rows


def department_words(customer: Any) -> str:
    """The department its sales are booked to, and where that comes from."""
    if customer.department:
        return f"{customer.department}, set here"
    if customer.order_department:
        return f"{customer.order_department}, from {customer.order_number}"
    return "none yet"


def _customer(customer: Customer) -> DataRow:
    place = ", ".join(
        part for part in (customer.city, customer.state_code, customer.country) if part
    )
    return DataRow(
        customer.name,
        customer.number,
        reverse("customer", args=[customer.number]),
        ((place, ""), (customer.currency, "c-short"), (department_words(customer), "c-wide"),
         (customer.vat_id[:2] + "•••" if customer.vat_id else "—", "c-short")),
    )  # fmt: skip


def _product(product: Any) -> DataRow:
    bundle = "bundle" if product.is_bundle else product.charge_type
    cells = (
        (bundle, "c-wide"),
        (product.revenue_class or "—", "c-wide"),
        (product.tax_category, "c-wide"),
    )
    return DataRow(product.name, product.sku, "", cells)


def _entity(entity: LegalEntity) -> DataRow:
    cells = (
        (entity.country, "c-short"), (str(entity.functional_currency_id), "c-short"),
        (entity.time_zone, "c-wide"), (entity.tax_registration or "—", "c-wide"),
    )  # fmt: skip
    return DataRow(entity.name, entity.code, "", cells)


def _dimension(dimension: Any) -> DataRow:
    active = "active" if dimension.is_active else "inactive"
    cells = ((dimension.get_kind_display(), "c-wide"), (active, "c-wide"))
    return DataRow(dimension.name, dimension.code, "", cells)


def _tax_code(code: Any) -> DataRow:
    rate = f"{(code.rate * 100).normalize():f} %"
    cells = (
        (rate, "c-short num"),
        (code.country, "c-short"),
        (code.kind.replace("_", " "), "c-wide"),
    )
    return DataRow(code.code, code.name, "", cells)


def _period(period: Any) -> DataRow:
    last = period.end - dt.timedelta(days=1)
    cells = ((f"{period.start:%-d %b %Y} to {last:%-d %b %Y}", "c-wide"),)
    return DataRow(period.code, period.legal_entity.code, "", cells, period.state)


def _rate(rate: ExchangeRate) -> DataRow:
    cells = (
        (f"{rate.rate.normalize():f}", "num"), (f"{rate.rate_date:%-d %b %Y}", "c-date"),
        (rate.source, "c-wide"),
    )  # fmt: skip
    return DataRow(f"1 {rate.base_id} in {rate.quote_id}", "", "", cells)


def _entities(principal: Principal) -> QuerySet[LegalEntity]:
    rows = LegalEntity.objects.order_by("code")
    return rows if principal.entity_ids is None else rows.filter(pk__in=principal.entity_ids)


def _rates(_: Principal) -> QuerySet[ExchangeRate]:
    """Rates are the group's, not an entity's."""
    return ExchangeRate.objects.order_by("-rate_date", "base_id")


TABLES = (
    Table("customers", "Customers",
          (Column("Customer"), Column("Place"), Column("Currency", "c-short"),
           Column("Department", "c-wide"), Column("VAT id", "c-short")),
          customers_of, ("name", "number", "city"), _customer),
    Table("products", "Products",
          (Column("Product"), Column("Charge", "c-wide"), Column("Revenue class", "c-wide"),
           Column("Tax category", "c-wide")),
          list_products, ("sku", "name"), _product),
    Table("entities", "Legal entities",
          (Column("Entity"), Column("Country", "c-short"), Column("Currency", "c-short"),
           Column("Time zone", "c-wide"), Column("Tax registration", "c-wide")),
          _entities, ("code", "name"), _entity),
    Table("dimensions", "Dimensions",
          (Column("Value"), Column("Dimension", "c-wide"), Column("Use", "c-wide")),
          list_dimensions, ("code", "name"), _dimension),
    Table("tax-codes", "Tax codes",
          (Column("Tax code"), Column("Rate", "c-short num"), Column("Country", "c-short"),
           Column("Kind", "c-wide")),
          list_tax_codes, ("code", "name"), _tax_code),
    Table("periods", "Posting periods",
          (Column("Period"), Column("Dates", "c-wide"), Column("State", "c-state")),
          list_periods, ("code", "legal_entity__code"), _period),
    Table("rates", "Exchange rates",
          (Column("Rate"), Column("Factor", "num"), Column("Of", "c-date"),
           Column("Source", "c-wide")),
          _rates, ("base_id", "quote_id", "source"), _rate),
)  # fmt: skip


def table_of(key: str) -> Table:
    """The table of a key; customers for an unknown one."""
    return next((table for table in TABLES if table.key == key), TABLES[0])


def table_tabs(chosen: Table) -> list[ViewTab]:
    base = reverse("master-data")
    return [ViewTab(t.key, t.label, f"{base}?view={t.key}", t is chosen) for t in TABLES]


def searched(table: Table, rows: Any, text: str) -> Any:
    """Rows whose searchable columns hold the text."""
    if not text:
        return rows
    wanted = Q(pk__in=[])
    for column in table.search:
        wanted |= Q(**{f"{column}__icontains": text})
    return rows.filter(wanted)


@dataclass(frozen=True, slots=True)
class Reference:
    """How a platform knows a record."""

    connection: str
    object_type: str
    external_id: str


@dataclass(frozen=True, slots=True)
class CustomerDetail:
    """A customer with its identities and history."""

    customer: Customer
    lines: list[tuple[str, str]]
    references: list[Reference]
    versions: Sequence[RecordVersion]
    contracts: Iterable[tuple[str, Decimal, str, Any]]
    department: str


CORRECTABLE = (
    ("department", "Department"), ("location", "Location"), ("vat_id", "VAT id"),
    ("street", "Street"), ("city", "City"), ("postal_code", "Postal code"),
    ("state_code", "State"), ("country", "Country (ISO 3166)"),
)  # fmt: skip


def customer_detail(customer: Customer) -> CustomerDetail:
    """A customer for its page, in four queries."""
    names = dict(Connection.objects.values_list("id", "name"))
    references = ExternalReference.objects.filter(record_id=customer.id).order_by("object_type")
    versions = RecordVersion.objects.filter(record_type="customer", record_id=customer.id)
    lines = [(label, str(getattr(customer, name) or "")) for name, label in CORRECTABLE]
    terms = ("Terms", f"{customer.payment_terms_days} days")
    contracts = customer.contracts.order_by("-id")
    return CustomerDetail(
        customer,
        [("Currency", customer.currency), *lines, terms],
        [
            Reference(names.get(r.connection_id, ""), r.object_type, r.external_id)
            for r in references
        ],
        list(versions.order_by("-version")[:20]),
        list(contracts.values_list("number", "net", "currency", "journey_id")),
        department_words(customer),
    )
