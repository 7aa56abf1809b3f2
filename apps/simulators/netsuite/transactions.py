"""What happens when a transaction is saved or deleted, by record type."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from apps.simulators.core.codec import Document
from apps.simulators.netsuite.amounts import ZERO, precision
from apps.simulators.netsuite.company import Company
from apps.simulators.netsuite.errors import invalid_value, missing_values, user_error
from apps.simulators.netsuite.periods import posting_period
from apps.simulators.netsuite.sales import complete_header, complete_sale, posting
from apps.simulators.netsuite.shapes import CREDIT_MEMO, INVOICE, PAYMENT, RECORD_TYPES

INCOME_STATEMENT = frozenset({"Income", "OthIncome", "Expense", "OthExpense", "COGS"})


def complete(company: Company, kind: str, before: Document | None, document: Document) -> Document:
    """The transaction as it is stored. Raises NetSuiteError for a broken rule."""
    if before is not None:
        check_open(company, kind, before)
    company.require(RECORD_TYPES[kind], document)
    done = _COMPLETE[kind](company, before, document)
    if not done.get("tranId"):
        done["tranId"] = company.number_of(kind)
    return done


def check_open(company: Company, kind: str, document: Document) -> None:
    """A posted transaction can be changed only while its own period is open."""
    posting_period(
        company.store.all("accountingPeriod"),
        document["tranDate"],
        None,
        receivables=kind != "journalEntry",
    )


def undo_effects(company: Company, kind: str, document: Document) -> None:
    """Give back what a credit memo or payment had taken off invoices."""
    if kind in (CREDIT_MEMO.name, PAYMENT.name):
        for entry in _applied(document):
            _take_off(company, entry, -entry["amount"])
    elif kind == INVOICE.name and document.get("amountPaid"):
        raise user_error(
            "This transaction cannot be deleted because it is linked to by other transactions."
        )


def _complete_invoice(company: Company, before: Document | None, document: Document) -> Document:
    invoice = complete_sale(company, document, sign=1)
    paid = (before or {}).get("amountPaid") or ZERO
    invoice["amountPaid"] = paid
    invoice["amountRemaining"] = invoice["total"] - paid
    invoice["status"] = "Open" if invoice["amountRemaining"] > 0 else "Paid In Full"
    return invoice


def _complete_credit(company: Company, before: Document | None, document: Document) -> Document:
    if before is not None:
        undo_effects(company, CREDIT_MEMO.name, before)
    memo = complete_sale(company, document, sign=-1)
    return _with_applications(company, memo, memo["total"], "Fully Applied", "Open")


def _complete_payment(company: Company, before: Document | None, document: Document) -> Document:
    if before is not None:
        undo_effects(company, PAYMENT.name, before)
    customer = company.store.get("customer", document["customer"]) or {}
    known = {"subsidiary": customer.get("subsidiary"), "currency": customer.get("currency")}
    payment = complete_header(
        company,
        {**known, **{k: v for k, v in document.items() if v is not None}},
        receivables=True,
    )
    bank = payment.get("account") or company.account_of_type("Bank", "Account")
    receivables = company.account_of_type("AcctRec", "A/R Account")
    payment["_postings"] = [
        posting(bank, payment["payment"], payment, {}, "main"),
        posting(receivables, -payment["payment"], payment, {}, "item"),
    ]
    return _with_applications(company, payment, payment["payment"], "Deposited", "Not Deposited")


def _with_applications(
    company: Company, document: Document, available: Decimal, full: str, part: str
) -> Document:
    entries = _applied(document)
    used = sum((entry["amount"] for entry in entries), ZERO)
    if used > available:
        raise user_error("The amount you applied exceeds the available amount.", path="apply")
    for entry in entries:
        _take_off(company, entry, entry["amount"])
    left = available - used
    return {**document, "applied": used, "unapplied": left, "status": part if left else full}


def _applied(document: Document) -> list[Document]:
    entries = [entry for entry in document.get("apply") or [] if entry.get("apply", True)]
    for entry in entries:
        if entry.get("doc") is None or entry.get("amount") is None:
            raise missing_values("Amount")
    return entries


def _take_off(company: Company, entry: Document, amount: Decimal) -> None:
    invoice = company.store.get(INVOICE.name, entry["doc"])
    if invoice is None:
        raise invalid_value(entry["doc"], "apply.items.doc")
    left = invoice["amountRemaining"] - amount
    if left < 0:
        raise user_error("You cannot apply more than the amount due.", path="apply")
    changed = {
        **invoice,
        "amountPaid": invoice["amountPaid"] + amount,
        "amountRemaining": left,
        "status": "Open" if left else "Paid In Full",
        "lastModifiedDate": company.now_text(),
    }
    company.store.put(INVOICE.name, invoice["id"], changed)


def _complete_journal(company: Company, _before: Document | None, document: Document) -> Document:
    journal = complete_header(company, document, receivables=False)
    _, places = precision(company.store, journal["currency"])
    postings, lines = [], []
    for index, line in enumerate(journal.get("line") or [], 1):
        amount = _line_amount(line)
        if amount != round(amount, places):
            raise invalid_value(amount, f"line.items[{index - 1}].debit")
        account = company.store.get("account", line.get("account") or "")
        if account is None:
            raise missing_values("Account")
        if account.get("acctType") in INCOME_STATEMENT:
            company.require_segments(line, journal)
        lines.append({**line, "line": line.get("line") or Decimal(index)})
        postings.append(posting(account["id"], amount, journal, line, "item"))
    _check_balance(postings)
    return {**journal, "line": lines, "_postings": postings, "status": "Approved for Posting"}


def _line_amount(line: Document) -> Decimal:
    debit, credit = line.get("debit") or ZERO, line.get("credit") or ZERO
    if bool(debit) == bool(credit):
        raise user_error("Each journal line needs either a debit or a credit.", path="line")
    return Decimal(debit - credit)


def _check_balance(postings: list[Document]) -> None:
    if len(postings) < 2:
        raise user_error("You must enter at least two lines for this transaction.")
    if sum((p["debit"] - p["credit"] for p in postings), ZERO) != 0:
        raise user_error("The amounts in a journal entry must balance.")


Completer = Callable[[Company, Document | None, Document], Document]
_COMPLETE: dict[str, Completer] = {
    "invoice": _complete_invoice,
    "creditMemo": _complete_credit,
    "customerPayment": _complete_payment,
    "journalEntry": _complete_journal,
}


def trial_balance(company: Company) -> list[Document]:
    """Debits and credits by subsidiary, currency, period and account, for a checker."""
    rows: dict[tuple[str, ...], Document] = {}
    for kind in _COMPLETE:
        for transaction in company.store.all(kind):
            symbol, _ = precision(company.store, transaction["currency"])
            subsidiary = company.name_of("subsidiary", transaction["subsidiary"]) or ""
            period = company.name_of("accountingPeriod", transaction["postingPeriod"]) or ""
            for entry in transaction["_postings"]:
                account = company.name_of("account", entry["account"]) or ""
                key = (subsidiary, symbol, period, account)
                row = rows.setdefault(key, {"debit": ZERO, "credit": ZERO})
                row["debit"] += entry["debit"]
                row["credit"] += entry["credit"]
    names = ("subsidiary", "currency", "period", "account")
    return [
        {
            **dict(zip(names, key, strict=True)),
            "debit": str(row["debit"]),
            "credit": str(row["credit"]),
        }
        for key, row in sorted(rows.items())
    ]
