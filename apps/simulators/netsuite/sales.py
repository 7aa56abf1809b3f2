"""Invoices and credit memos: checks, totals, general ledger postings."""

from __future__ import annotations

from decimal import Decimal

from apps.simulators.core.codec import Document
from apps.simulators.netsuite.amounts import (
    ZERO,
    precision,
    priced_lines,
    sale_totals,
    tax_entries,
)
from apps.simulators.netsuite.company import Company
from apps.simulators.netsuite.errors import invalid_value, missing_values, user_error
from apps.simulators.netsuite.periods import posting_period
from apps.simulators.netsuite.shapes import ITEM_TYPES


def complete_header(company: Company, document: Document, *, receivables: bool) -> Document:
    """Defaults of date, currency, number and period that every transaction has."""
    day = document.get("tranDate") or company.today()
    subsidiary = company.store.get("subsidiary", document.get("subsidiary") or "") or {}
    currency = document.get("currency") or subsidiary.get("currency")
    if currency is None:
        raise missing_values("Currency")
    return {
        **document,
        "tranDate": day,
        "currency": currency,
        "exchangeRate": document.get("exchangeRate") or Decimal(1),
        "postingPeriod": posting_period(
            company.store.all("accountingPeriod"),
            day,
            document.get("postingPeriod"),
            receivables=receivables,
        ),
    }


def complete_sale(company: Company, document: Document, sign: int) -> Document:
    """Everything NetSuite derives of an invoice (sign 1) or credit memo (sign -1)."""
    sale = complete_header(company, _with_customer(company, document), receivables=True)
    _, places = precision(company.store, sale["currency"])
    sale["item"] = priced_lines(sale.get("item") or [], places)
    for line in sale["item"]:
        company.require_segments(line, sale)
    sale["taxDetails"] = tax_entries(company.store, sale, places)
    sale |= sale_totals(sale["item"], sale["taxDetails"])
    sale["_postings"] = _postings(company, sale, sign)
    return sale


def _with_customer(company: Company, document: Document) -> Document:
    """Subsidiary and currency follow the customer; a foreign subsidiary is refused."""
    customer = company.store.get("customer", document["entity"]) or {}
    subsidiary = document.get("subsidiary") or customer.get("subsidiary")
    if subsidiary != customer.get("subsidiary"):
        raise invalid_value(subsidiary, "subsidiary")
    if customer.get("isInactive"):
        raise user_error(f"Customer {customer.get('entityId')} is inactive.", path="entity")
    currency = document.get("currency") or customer.get("currency")
    return {**document, "subsidiary": subsidiary, "currency": currency}


def _postings(company: Company, sale: Document, sign: int) -> list[Document]:
    """Dr receivables gross, Cr income (or deferred revenue) net, Cr tax; mirrored for -1."""
    customer = company.store.get("customer", sale["entity"]) or {}
    receivables = (
        sale.get("account")
        or customer.get("receivablesAccount")
        or company.account_of_type("AcctRec", "A/R Account")
    )
    postings = [posting(receivables, sign * sale["total"], sale, {}, "main")]
    for line in sale["item"]:
        account = _income_account(company, line)
        postings.append(posting(account, -sign * line["amount"], sale, line, "item"))
    for entry in sale["taxDetails"]:
        if entry["taxAmount"]:
            account = _tax_account(company, entry)
            postings.append(posting(account, -sign * entry["taxAmount"], sale, {}, "tax"))
    return postings


def posting(
    account: str, amount: Decimal, header: Document, line: Document, role: str
) -> Document:
    """One general ledger line; a negative amount is a credit."""
    return {
        "account": account,
        "debit": max(amount, ZERO),
        "credit": max(-amount, ZERO),
        "role": role,
        "item": line.get("item"),
        "quantity": line.get("quantity"),
        "memo": line.get("description") or line.get("memo"),
        "entity": line.get("entity") or header.get("entity") or header.get("customer"),
        "custcol_hub_line": line.get("custcol_hub_line"),
        **{n: line.get(n) or header.get(n) for n in ("department", "class", "location")},
    }


def _income_account(company: Company, line: Document) -> str:
    """Deferred revenue for a line with a recognition span, else the item's income account."""
    item: Document = next(
        (found for kind in ITEM_TYPES if (found := company.store.get(kind, line["item"]))), {}
    )
    deferred = item.get("deferredRevenueAccount")
    if deferred and line.get("revRecStartDate"):
        return str(deferred)
    return str(item.get("incomeAccount") or company.account_of_type("Income", "Income Account"))


def _tax_account(company: Company, entry: Document) -> str:
    code = company.store.get("salesTaxItem", entry["taxCode"]) or {}
    return str(code.get("taxAccount") or company.account_of_type("OthCurrLiab", "Tax Account"))
