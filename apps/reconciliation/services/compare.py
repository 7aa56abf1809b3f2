"""The comparison itself, as sets in the database.

Two temporary tables live for one transaction: ``recon_document`` holds what each side keeps under
a business key, ``recon_key`` one row a key and currency with its break type (empty: all agree).
"""

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection as database

from apps.reconciliation.types import SUBJECT_SIDES

# What a platform shows but nobody owes: drafts, and documents that were taken back.
VOID = ("draft", "void", "voided", "deleted", "cancelled", "canceled", "custinvc:v")

_TABLE = """
CREATE TEMPORARY TABLE recon_document (
    side text, entity uuid, currency text, key text, amount numeric(20,4), tax numeric(20,4),
    document uuid, customer text, seen_at timestamptz
) ON COMMIT DROP
"""
_INVOICES = """
INSERT INTO recon_document
SELECT d.side, d.legal_entity_id, d.currency, coalesce(nullif(d.match_key, ''), d.number),
       d.gross, d.tax, d.id, d.customer_name, d.created_at
FROM snapshots_sourcedocument d
WHERE d.document_type = 'invoice' AND d.connection_id = ANY(%(invoices)s)
  AND lower(d.status) <> ALL(%(void)s)
"""
# A contract is known to the platforms by different numbers; the crosswalk names ours.
_CONTRACTS = """
INSERT INTO recon_document
SELECT d.side, d.legal_entity_id, d.currency,
       coalesce(c.number, nullif(d.match_key, ''), d.number), d.net, 0, d.id, d.customer_name,
       d.created_at
FROM snapshots_sourcedocument d
LEFT JOIN mappings_externalreference r ON r.connection_id = d.connection_id
     AND r.external_id = d.external_id AND r.record_type = 'contract'
LEFT JOIN canonical_contract c ON c.id = r.record_id
WHERE d.document_type = 'contract' AND d.connection_id = ANY(%(contracts)s)
  AND lower(d.status) <> ALL(%(void)s)
"""
# Billing and ledger are measured by their invoices; only whose they are is taken from the hub.
_CONTRACTS_BY_INVOICE = """
INSERT INTO recon_document
SELECT d.side, d.legal_entity_id, d.currency, c.number, d.net, 0, d.id, d.customer_name,
       d.created_at
FROM snapshots_sourcedocument d
JOIN canonical_invoice i ON i.number = coalesce(nullif(d.match_key, ''), d.number)
JOIN canonical_contract c ON c.id = i.contract_id
WHERE d.document_type = 'invoice' AND d.connection_id = ANY(%(invoices)s)
  AND lower(d.status) <> ALL(%(void)s)
"""
_KEYS = """
CREATE TEMPORARY TABLE recon_key ON COMMIT DROP AS
WITH side AS (
    SELECT key, currency, side, sum(amount) AS amount, sum(tax) AS tax, count(*) AS n,
           min(entity::text) AS entity, min(entity::text) <> max(entity::text) AS torn,
           max(customer) AS customer, max(seen_at) AS seen_at, jsonb_agg(document) AS documents
    FROM recon_document GROUP BY key, currency, side
), wide AS (
    SELECT key, currency,
        max(amount) FILTER (WHERE side = 'cpq') AS cpq,
        max(amount) FILTER (WHERE side = 'billing') AS billing,
        max(amount) FILTER (WHERE side = 'erp') AS erp,
        coalesce(max(tax) FILTER (WHERE side = 'billing'), 0)
            - coalesce(max(tax) FILTER (WHERE side = 'erp'), 0) AS tax_gap,
        count(DISTINCT amount) AS amounts, count(DISTINCT tax) AS taxes,
        count(DISTINCT amount - tax) AS nets, count(DISTINCT entity) AS entities,
        bool_or(coalesce(torn, false)) AS torn, max(n) AS most,
        coalesce(max(entity) FILTER (WHERE side = 'billing'), max(entity))::uuid AS entity,
        -- A ledger may know a customer by a number only.
        coalesce(nullif(max(customer) FILTER (WHERE side <> 'erp'), ''), max(customer))
            AS customer,
        max(seen_at) AS newest,
        jsonb_object_agg(side, documents) AS documents
    FROM side GROUP BY key, currency
)
SELECT *, CASE
    WHEN %(count_documents)s AND most > 1 THEN 'duplicate'
    WHEN 'billing' = ANY(%(sides)s) AND billing IS NULL THEN 'missing_in_billing'
    WHEN 'erp' = ANY(%(sides)s) AND erp IS NULL THEN 'missing_in_erp'
    WHEN 'cpq' = ANY(%(sides)s) AND cpq IS NULL THEN 'missing_in_cpq'
    WHEN torn OR entities > 1 THEN 'entity_differs'
    WHEN amounts > 1 AND nets = 1 THEN 'tax_differs'
    WHEN amounts > 1 THEN 'amount_differs'
    WHEN taxes > 1 THEN 'tax_differs'
    ELSE '' END AS type
FROM wide
"""


def build_comparison(
    subject: str, *, contracts: Sequence[uuid.UUID], invoices: Sequence[uuid.UUID]
) -> None:
    """Fill the temporary tables for a subject. Needs a transaction.

    ``contracts`` and ``invoices`` are the connections whose documents of that type count.
    """
    arguments: dict[str, Any] = {
        "contracts": list(contracts),
        "invoices": list(invoices),
        "void": list(VOID),
    }
    with database.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.recon_document, pg_temp.recon_key")
        cursor.execute(_TABLE)
        if subject == "contract":
            cursor.execute(_CONTRACTS, arguments)
            cursor.execute(_CONTRACTS_BY_INVOICE, arguments)
        else:
            cursor.execute(_INVOICES, arguments)
        cursor.execute("ANALYZE recon_document")
        cursor.execute(
            _KEYS,
            {
                "sides": list(SUBJECT_SIDES[subject]),
                "count_documents": subject == "invoice",
            },
        )
        cursor.execute("CREATE INDEX ON recon_key (key, currency)")
        cursor.execute("ANALYZE recon_key")


_UUID7 = """encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING
    substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
    FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid"""  # RFC 9562; PostgreSQL 15 to 17 have none

# What agreed before and no longer does, or agrees on another amount, is no match any more.
_UNDO_MATCHES = """
UPDATE reconciliation_match m SET state = 'undone', updated_at = %(now)s
WHERE m.subject = %(subject)s AND m.state = 'confirmed' AND NOT EXISTS (
    SELECT FROM recon_key k WHERE k.key = m.match_key AND k.currency = m.currency
      AND k.type = '' AND k.billing = m.amount)
"""
_NEW_MATCHES = f"""
INSERT INTO reconciliation_match (id, created_at, updated_at, legal_entity_id, run_id, subject,
    match_key, currency, amount, rule, state, document_ids)
SELECT {_UUID7}, %(now)s, %(now)s, k.entity, %(run)s, %(subject)s, k.key, k.currency, k.billing,
    'exact', 'confirmed', k.documents
FROM recon_key k
WHERE k.type = '' AND NOT EXISTS (
    SELECT FROM reconciliation_match m WHERE m.subject = %(subject)s AND m.match_key = k.key
      AND m.currency = k.currency AND m.state = 'confirmed')
"""  # noqa: S608 - a constant expression


def keep_matches(arguments: dict[str, Any]) -> int:
    """Keep what agrees exactly: only new matches are written. Returns how many were new.

    ``arguments``: run, subject, now.
    """
    with database.cursor() as cursor:
        cursor.execute(_UNDO_MATCHES, arguments)
        cursor.execute(_NEW_MATCHES, arguments)
        return int(cursor.rowcount)


_DIFFERENCES = """
SELECT key, currency, entity, customer, type, cpq, billing, erp, tax_gap, newest, documents
FROM recon_key WHERE type <> '' ORDER BY key, currency
"""


def differences() -> list[dict[str, Any]]:
    """The keys on which the sides do not agree."""
    with database.cursor() as cursor:
        cursor.execute(_DIFFERENCES)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


_TOTALS = """
SELECT coalesce(e.code, '') AS entity, d.currency,
    CASE WHEN k.type = '' THEN 'matched' ELSE coalesce(b.type, k.type) END AS type,
    CASE WHEN k.type = '' THEN 'matched' ELSE coalesce(b.state, 'open') END AS state,
    count(DISTINCT (d.key, d.currency)) AS keys,
    count(*) FILTER (WHERE d.side = 'cpq') AS cpq_n,
    count(*) FILTER (WHERE d.side = 'billing') AS billing_n,
    count(*) FILTER (WHERE d.side = 'erp') AS erp_n,
    coalesce(sum(d.amount) FILTER (WHERE d.side = 'cpq'), 0) AS cpq,
    coalesce(sum(d.amount) FILTER (WHERE d.side = 'billing'), 0) AS billing,
    coalesce(sum(d.amount) FILTER (WHERE d.side = 'erp'), 0) AS erp
FROM recon_document d
JOIN recon_key k ON k.key = d.key AND k.currency = d.currency
LEFT JOIN organisation_legalentity e ON e.id = d.entity
LEFT JOIN LATERAL (
    SELECT type, state FROM reconciliation_break b
    WHERE b.subject = %s AND b.match_key = d.key AND b.currency = d.currency
      AND b.state IN ('open', 'explained', 'written_off')
    ORDER BY b.number DESC LIMIT 1) b ON k.type <> ''
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""


def sums_by_type(subject: str) -> list[dict[str, Any]]:
    """Sums of each side per entity, currency, break type and state; ``matched`` is a type too."""
    with database.cursor() as cursor:
        cursor.execute(_TOTALS, [subject])
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
