"""The route table of the simulated Stripe API."""

from __future__ import annotations

from apps.simulators.core.routing import Routes
from apps.simulators.stripe import (
    catalog,
    credit_notes,
    customers,
    events,
    invoice_api,
    subscription_api,
)
from apps.simulators.stripe.forms import BOOLEAN, TEXT, TEXTS, choice
from apps.simulators.stripe.listing import (
    list_operation,
    retrieve_operation,
    search_operation,
    subscriptions_operation,
)
from apps.simulators.stripe.request import Operation

STATUSES = choice("draft", "open", "paid", "uncollectible", "void")


def build_routes() -> Routes[Operation]:
    routes: Routes[Operation] = Routes()
    for method, path, operation in (*_catalog(), *_subscriptions(), *_invoices(), *_events()):
        routes.add(method, path, operation)
    return routes


Row = tuple[str, str, Operation]


def _catalog() -> list[Row]:
    rows: list[Row] = [
        ("GET", "/v1/customers/search", search_operation("customer", "/v1/customers/search")),
        ("POST", "/v1/customers", customers.CREATE_OPERATION),
        ("GET", "/v1/customers", list_operation("customer", "/v1/customers", email=TEXT)),
        ("GET", "/v1/customers/{id}", retrieve_operation("customer")),
        ("POST", "/v1/customers/{id}", customers.UPDATE_OPERATION),
        ("DELETE", "/v1/customers/{id}", customers.DELETE_OPERATION),
        ("POST", "/v1/products", catalog.CREATE_PRODUCT),
        (
            "GET",
            "/v1/products",
            list_operation("product", "/v1/products", active=BOOLEAN, ids=TEXTS),
        ),
        ("POST", "/v1/prices", catalog.CREATE_PRICE),
        (
            "GET",
            "/v1/prices",
            list_operation("price", "/v1/prices", active=BOOLEAN, currency=TEXT, product=TEXT),
        ),
        ("POST", "/v1/tax_rates", catalog.CREATE_TAX_RATE),
        (
            "GET",
            "/v1/tax_rates",
            list_operation("tax_rate", "/v1/tax_rates", active=BOOLEAN, inclusive=BOOLEAN),
        ),
    ]
    for kind, noun in (("product", "products"), ("price", "prices"), ("tax_rate", "tax_rates")):
        if kind != "tax_rate":
            url = f"/v1/{noun}/search"
            rows.append(("GET", url, search_operation(kind, url)))
        rows.append(("GET", f"/v1/{noun}/{{id}}", retrieve_operation(kind)))
        rows.append(("POST", f"/v1/{noun}/{{id}}", catalog.update_operation(kind)))
    return rows


def _subscriptions() -> list[Row]:
    base, items = "/v1/subscriptions", "/v1/subscription_items"
    return [
        ("GET", f"{base}/search", search_operation("subscription", f"{base}/search")),
        ("POST", base, subscription_api.CREATE_OPERATION),
        ("GET", base, subscriptions_operation(base)),
        ("GET", f"{base}/{{id}}", retrieve_operation("subscription")),
        ("POST", f"{base}/{{id}}", subscription_api.UPDATE_OPERATION),
        ("DELETE", f"{base}/{{id}}", subscription_api.CANCEL_OPERATION),
        ("GET", items, subscription_api.LIST_ITEMS),
        ("POST", items, subscription_api.CREATE_ITEM),
        ("GET", f"{items}/{{id}}", subscription_api.RETRIEVE_ITEM),
        ("POST", f"{items}/{{id}}", subscription_api.UPDATE_ITEM),
        ("DELETE", f"{items}/{{id}}", subscription_api.DELETE_ITEM),
    ]


def _invoices() -> list[Row]:
    base, notes = "/v1/invoices", "/v1/credit_notes"
    return [
        ("GET", f"{base}/search", search_operation("invoice", f"{base}/search")),
        ("POST", f"{base}/create_preview", invoice_api.PREVIEW),
        ("POST", base, invoice_api.CREATE),
        (
            "GET",
            base,
            list_operation("invoice", base, customer=TEXT, subscription=TEXT, status=STATUSES),
        ),
        ("GET", f"{base}/{{id}}", retrieve_operation("invoice")),
        ("POST", f"{base}/{{id}}", invoice_api.UPDATE),
        ("GET", f"{base}/{{id}}/lines", invoice_api.LINES),
        ("POST", f"{base}/{{id}}/finalize", invoice_api.FINALIZE),
        ("POST", f"{base}/{{id}}/pay", invoice_api.PAY),
        ("POST", f"{base}/{{id}}/send", invoice_api.SEND),
        ("POST", f"{base}/{{id}}/void", invoice_api.VOID),
        ("POST", f"{base}/{{id}}/mark_uncollectible", invoice_api.UNCOLLECTIBLE),
        ("POST", "/v1/invoiceitems", invoice_api.CREATE_ITEM),
        (
            "GET",
            "/v1/invoiceitems",
            list_operation("invoiceitem", "/v1/invoiceitems", customer=TEXT, invoice=TEXT),
        ),
        ("GET", "/v1/invoiceitems/{id}", retrieve_operation("invoiceitem")),
        ("POST", notes, credit_notes.CREATE_OPERATION),
        ("GET", notes, list_operation("credit_note", notes, customer=TEXT, invoice=TEXT)),
        ("GET", f"{notes}/{{id}}", retrieve_operation("credit_note")),
        ("GET", f"{notes}/{{id}}/lines", invoice_api.LINES),
        ("POST", f"{notes}/{{id}}/void", credit_notes.VOID_OPERATION),
        (
            "GET",
            "/v1/invoice_payments",
            list_operation("invoice_payment", "/v1/invoice_payments", invoice=TEXT),
        ),
    ]


def _events() -> list[Row]:
    base = "/v1/webhook_endpoints"
    return [
        ("GET", "/v1/events", events.LIST),
        ("GET", "/v1/events/{id}", retrieve_operation("event")),
        ("POST", base, events.CREATE_ENDPOINT),
        ("GET", base, list_operation("webhook_endpoint", base)),
        ("GET", f"{base}/{{id}}", retrieve_operation("webhook_endpoint")),
        ("DELETE", f"{base}/{{id}}", events.DELETE_ENDPOINT),
    ]
