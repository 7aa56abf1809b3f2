"""Jump: pages by name, records by any id of any system."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Q
from django.urls import reverse

from apps.approvals.selectors import list_approvals
from apps.canonical.selectors import list_customers
from apps.connectors.selectors import list_connections
from apps.console.access import allowed_pages
from apps.console.presentation.navigation import SECTIONS
from apps.console.presentation.words import in_words
from apps.core.principal import Principal
from apps.exceptions.selectors import cases_by_number, list_dead_letters
from apps.mappings.models import Mapping
from apps.monitoring.selectors import find_by_reference, find_journey
from apps.monitoring.types import Found
from apps.reconciliation.models import Break
from apps.resolutions.selectors import list_batches

MOST = 12
_ICONS = {
    "order": "waypoints",
    "invoice": "receipt",
    "quote": "file-text",
    "case": "octagon-alert",
}


@dataclass(frozen=True, slots=True)
class Result:
    """A line of the jump dialog."""

    url: str
    icon: str
    title: str
    note: str
    kind: str


def jump_results(principal: Principal, query: str) -> list[Result]:
    """Pages whose name begins so, then records, at most twelve. Without letters the pages."""
    pages = _pages(principal, query)
    if len(query) < 2:
        return pages[:MOST]
    found = [*_numbered(principal, query), *_journeys(principal, query), *_named(principal, query)]
    seen: dict[str, Result] = {}
    for result in [*found, *pages]:
        seen.setdefault(result.url, result)
    return list(seen.values())[:MOST]


def one_match(principal: Principal, query: str) -> str:
    """The address of the one record that a text names exactly; empty when none or several."""
    if not query:
        return ""
    numbered = _numbered(principal, query)
    if len(numbered) == 1:
        return numbered[0].url
    journey = find_journey(query, principal)
    return reverse("journey", args=[journey.key]) if journey else ""


def _pages(principal: Principal, query: str) -> list[Result]:
    allowed = allowed_pages(principal)
    items = [item for group in SECTIONS for item in group.items if item.key in allowed]
    wanted = query.lower()
    return [
        Result(item.url, item.icon, item.label, "", "Page")
        for item in items
        if item.label.lower().startswith(wanted)
    ]


def _numbered(principal: Principal, query: str) -> list[Result]:
    """Records with numbers of the hub: EXC-10482, DL-1042, BRK-1102, APR-100, B-100."""
    prefix, _, digits = query.upper().partition("-")
    if prefix not in _BY_PREFIX or not digits.isdecimal() or len(digits) > 18:
        return []
    page, look_up = _BY_PREFIX[prefix]
    return look_up(principal, int(digits)) if page in allowed_pages(principal) else []


def _cases(principal: Principal, number: int) -> list[Result]:
    return [
        Result(
            reverse("exception", args=[c.reference]), _ICONS["case"], c.reference, c.title,
            "Exception",
        )
        for c in cases_by_number(principal, [number])
    ]  # fmt: skip


def _letters(principal: Principal, number: int) -> list[Result]:
    return [
        Result(
            reverse("dead-letter", args=[d.code]), "mailbox", d.code, d.message_type, "Dead letter"
        )
        for d in list_dead_letters(principal).filter(number=number)
    ]


def _breaks(principal: Principal, number: int) -> list[Result]:
    found = Break.objects.visible_to(principal).filter(number=number)
    return [_break_result(each) for each in found]


def _approvals(principal: Principal, number: int) -> list[Result]:
    return [
        Result(reverse("approval", args=[a.code]), "stamp", a.code, a.title, "Approval")
        for a in list_approvals(principal).filter(number=number)
    ]


def _batches(principal: Principal, number: int) -> list[Result]:
    return [
        Result(reverse("batch", args=[b.code]), "layers", b.code, b.title, "Batch")
        for b in list_batches(principal).filter(number=number)
    ]


# The page that must be a person's to open, and where its records are found by their number.
_BY_PREFIX: dict[str, tuple[str, Callable[[Principal, int], list[Result]]]] = {
    "EXC": ("exceptions", _cases),
    "DL": ("dead-letters", _letters),
    "BRK": ("reconciliation", _breaks),
    "APR": ("approvals", _approvals),
    "B": ("batches", _batches),
}


def _break_result(found: Break) -> Result:
    code = f"BRK-{found.number}"
    query = urlencode({"subject": found.subject, "bucket": found.type, "sel": code})
    url = f"{reverse('reconciliation')}?{query}"
    return Result(url, "scale", code, f"{found.match_key} {found.customer}".strip(), "Break")


def _journeys(principal: Principal, query: str) -> list[Result]:
    return [_journey_result(found) for found in find_by_reference(query, principal, limit=MOST)]


def _journey_result(found: Found) -> Result:
    return Result(
        reverse("journey", args=[found.journey_key]),
        _ICONS.get(found.kind, "waypoints"),
        found.label or found.value.upper(),
        f"{found.journey_key} {found.customer}",
        in_words(found.kind),
    )


def _named(principal: Principal, query: str) -> list[Result]:
    """Customers, mappings and connections by name."""
    allowed = allowed_pages(principal)
    customers = list_customers(principal).filter(name__icontains=query)[:5]
    results = [
        Result(reverse("customer", args=[c.number]), "building-2", c.name, c.number, "Customer")
        for c in customers
    ]
    named = Q(name__icontains=query) | Q(code__icontains=query)
    results += [
        Result(reverse("mapping", args=[m.code]), "git-compare-arrows", m.name, m.code, "Mapping")
        for m in Mapping.objects.visible_to(principal).filter(named)[:4]
    ]
    if "connectors" in allowed:
        results += [
            Result(reverse("connector", args=[c.code]), "plug", c.name, c.code, "Connection")
            for c in list_connections(principal).filter(named)[:4]
        ]
    return results
