"""The navigation column: its fixed order, and what a person sees of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

Tone = Literal["plain", "late", "dot"]


@dataclass(frozen=True, slots=True)
class Count:
    """A figure beside a page's name. ``late`` is red (past SLA only), ``dot`` an amber dot."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class NavItem:
    """One page; ``icon`` is a lucide name, ``shortcut`` the letter after g."""

    key: str
    label: str
    url: str
    icon: str
    shortcut: str = ""
    count: Count | None = None
    current: bool = False


@dataclass(frozen=True, slots=True)
class NavGroup:
    """A titled group of pages."""

    label: str
    items: tuple[NavItem, ...]


@dataclass(frozen=True, slots=True)
class Shell:
    """What the frame of every page needs besides ``nav``; in the context as ``shell``."""

    user_name: str
    user_role: str
    environment: str = ""
    late: int = 0
    jump_url: str = "/jump/"
    counts_url: str = ""
    sign_out_url: str = "/sign-out/"
    backoffice_url: str = ""
    live: bool = True
    may_repair: bool = True


SECTIONS = (
    NavGroup(
        "Work",
        (
            NavItem("today", "Today", "/", "sun", "t"),
            NavItem("exceptions", "Exceptions", "/exceptions/", "octagon-alert", "e"),
            NavItem("dead-letters", "Dead letters", "/dead-letters/", "mailbox", "d"),
            NavItem("reconciliation", "Reconciliation", "/reconciliation/", "scale", "r"),
            NavItem("approvals", "Approvals", "/approvals/", "stamp", "a"),
        ),
    ),
    NavGroup(
        "Trace",
        (
            NavItem("orders", "Orders", "/orders/", "waypoints", "o"),
            NavItem("workflows", "Workflows", "/workflows/", "route", "w"),
            NavItem("messages", "Messages", "/messages/", "arrow-left-right", "m"),
            NavItem("batches", "Batches", "/batches/", "layers", "b"),
        ),
    ),
    NavGroup(
        "Configure",
        (
            NavItem("mappings", "Mappings", "/mappings/", "git-compare-arrows", "p"),
            NavItem("master-data", "Master data", "/master-data/", "database"),
            NavItem("connectors", "Connectors", "/connectors/", "plug", "c"),
            NavItem("audit", "Audit log", "/audit/", "scroll-text"),
        ),
    ),
    NavGroup("Manage", (NavItem("backoffice", "Back office", "/backoffice/", "settings-2"),)),
)


def build_navigation(
    allowed: Collection[str], counts: Mapping[str, Count], current: str = ""
) -> tuple[NavGroup, ...]:
    """The groups a person may open, with counts; a page that is not allowed is absent, not grey.

    ``allowed`` and ``counts`` use the items' keys; ``current`` is the key of the open page.
    """
    groups = []
    for group in SECTIONS:
        items = tuple(
            replace(item, count=counts.get(item.key), current=item.key == current)
            for item in group.items
            if item.key in allowed
        )
        if items:
            groups.append(NavGroup(group.label, items))
    return tuple(groups)


def key_of_path(path: str) -> str:
    """The navigation key of a request path: the page whose address is its longest prefix."""
    items = [item for group in SECTIONS for item in group.items]
    fits = [i for i in items if path == i.url or (i.url != "/" and path.startswith(i.url))]
    return max(fits, key=lambda item: len(item.url)).key if fits else ""


def capped(figure: int) -> str:
    """A count for the navigation: ``128``, at most ``999+``."""
    return f"{figure}" if figure < 1000 else "999+"
