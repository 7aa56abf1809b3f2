"""Events as dated lines: what changed, by whom or why, and where to look."""

import datetime as dt
from dataclasses import dataclass

from django.urls import reverse

from apps.console.sections.event_words import Platforms, event_note, what_happened
from apps.events.models import Event

_TONES = {
    "circuit_opened": "late", "paused": "near", "regressed": "near", "rejected": "near",
    "failed": "late", "circuit_closed": "good", "confirmed": "good", "completed": "good",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """A line of ``changes.html``."""

    at: dt.datetime
    title: str
    note: str
    url: str
    tone: str


def change_of(event: Event, platforms: Platforms | None = None) -> Change:
    """An event as a line; with ``platforms`` it says what happened to a record the page names."""
    if platforms is not None:
        return _plain(event, platforms)
    about, what = event.type.split(".", 1)
    told = what.replace("_", " ")
    subject = event.data.get("name") or event.data.get("label") or about.replace("_", " ")
    title = str(event.data.get("title") or "")
    # A title is a sentence of its own, with ids as they are.
    words = f"{told}: {title}" if title else f"{subject} {told}"
    note = event.data.get("reason") or event.data.get("error") or event.data.get("step")
    by = people_behind(event)
    notes = [str(part).replace("_", " ") for part in (note, by) if part]
    tone = _TONES.get(what, "")
    words = words[:1].upper() + words[1:]
    return Change(event.occurred_at, words, " · ".join(notes)[:120], _url(about, event), tone)


def people_behind(event: Event) -> str:
    """Who did it; where the hub carried a remedy through, the people whose remedy it was."""
    if event.actor_kind == "user":
        return event.actor_label
    return str(event.data.get("closed_by") or "")


def _plain(event: Event, platforms: Platforms) -> Change:
    about, what = event.type.split(".", 1)
    by = people_behind(event)
    notes = [part for part in (event_note(event), by) if part]
    title = what_happened(event, platforms)
    tone = _TONES.get(what, "")
    return Change(event.occurred_at, title, " · ".join(notes), _url(about, event), tone)


def _url(about: str, event: Event) -> str:
    number = event.data.get("number")
    if about == "connection" and event.data.get("code"):
        return reverse("connector", args=[event.data["code"]])
    if about == "approval" and number:
        return reverse("approval", args=[f"APR-{number}"])
    if about == "exception" and number:
        return reverse("exception", args=[f"EXC-{number}"])
    if about == "batch" and number:
        return reverse("batch", args=[f"B-{number}"])
    return ""
