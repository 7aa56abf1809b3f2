"""The inputs that each remedy asks for, filled with what is known."""

import json
from collections.abc import Callable

from apps.connectors.selectors import platform_name
from apps.core.codec import to_json
from apps.exceptions.models import ExceptionCase
from apps.organisation.models import LegalEntity
from apps.rehearsals.selectors import known_targets
from apps.resolutions.subjects import CUSTOMER_LABELS, Subject, master_data_of, payload_of
from apps.resolutions.types import CORRECT, DECIDE, DISCARD, EDIT, MAP_VALUE, SKIP, Choice, Field

EXISTS, ABSENT, ACCEPT = "exists", "absent", "accept"
ACKNOWLEDGED = "acknowledged"


def fields_of(
    remedy: str, case: ExceptionCase, subject: Subject, chosen: str = ""
) -> tuple[Field, ...]:
    """The form of a remedy for a case; a remedy without inputs has none. ``chosen`` is the field
    of the record to correct, where the person named one."""
    if remedy == CORRECT:
        return _correct(case, subject, chosen)
    make = _FORMS.get(remedy)
    return make(case, subject) if make else ()


def _map_value(case: ExceptionCase, _subject: Subject) -> tuple[Field, ...]:
    facts = {name: str(case.facts.get(name) or "") for name in ("key", "mapping", "target")}
    known = tuple(known_targets(facts["mapping"]))
    platform = platform_name(facts["mapping"].partition(".")[2])
    now = f"Now {facts['target']}, which {platform} does not have. " if facts["target"] else ""
    return (
        Field(
            "source_value", "Value in the hub", value=facts["key"],
            help=f"As it stands in {case.document or case.reference}.",
        ),
        Field(
            "target_value", f"Becomes in {platform}", options=known,
            help=f"{now}Its id or code there; {len(known)} known ones are offered.",
        ),
        Field(
            "scope", "Legal entity", "select", "", required=False, choices=_entities(),
            help="Choose one only when the others need another value.",
        ),
        Field(
            "reason", "Why", "textarea", required=False,
            help="The second person reads it. Left empty, it names this case.",
        ),
        Field(
            ACKNOWLEDGED, f"I looked it up in {platform}: it is there", "check", required=False,
            help="Asked for only when nothing that was read from there carries the value.",
        ),
    )  # fmt: skip


def _entities() -> tuple[Choice, ...]:
    rows = LegalEntity.objects.order_by("code").values_list("code", "name")
    return (Choice("", "All legal entities"), *(Choice(c, f"{c}, {n}") for c, n in rows))


def _correct(case: ExceptionCase, subject: Subject, chosen: str) -> tuple[Field, ...]:
    """The field to correct with its own present value, so that no other field's is saved in it."""
    data = master_data_of(case, subject)
    if data is None:
        return ()
    chosen = chosen if chosen in CUSTOMER_LABELS else data.field or "department"
    choices = tuple(Choice(name, label) for name, label in CUSTOMER_LABELS.items())
    return (
        Field("field", f"Field of {data.label}", "select", chosen, choices=choices, steers=True),
        Field(
            "value",
            "New value",
            value=data.values[chosen],
            required=False,
            help=f"{CUSTOMER_LABELS[chosen]} is {data.values[chosen] or 'empty'} now. A state, "
            f"country, VAT id or dimension that nobody knows is refused.",
        ),
    )


def _edit(case: ExceptionCase, subject: Subject) -> tuple[Field, ...]:
    event = subject.event
    if event is not None and event.is_unreadable:
        words = "The body as it arrived. It is read again as if it had just come."
        return (Field("payload", "Message", "json", event.raw_text, words),)
    text = json.dumps(to_json(payload_of(event)), indent=2, ensure_ascii=False)
    named = str(case.facts.get("field", ""))
    hint = f"The problem is at {named}." if named else "A JSON object."
    return (Field("payload", "Message", "json", text, hint),)


def _reason(_case: ExceptionCase, _subject: Subject) -> tuple[Field, ...]:
    return (Field("reason", "Reason", "textarea", help="At least 10 characters, kept for audit."),)


def _decide(case: ExceptionCase, subject: Subject) -> tuple[Field, ...]:
    known = subject.posting.external_id if subject.posting else ""
    choices = [Choice(EXISTS, "The document is there: take it over")]
    if known:
        choices.append(Choice(ACCEPT, "It differs, and that is right: accept it"))
        choices.append(Choice(ABSENT, "It was removed there: look for it, then send it again"))
    else:
        choices.append(Choice(ABSENT, "It is not there: send it again"))
    return (
        Field("decision", "What stands there", "select", EXISTS, choices=tuple(choices)),
        Field(
            "external_id", "Its id at the platform", value=known, required=False,
            help="Needed when the document is there.",
        ),
        *_reason(case, subject),
    )  # fmt: skip


_FORMS: dict[str, Callable[[ExceptionCase, Subject], tuple[Field, ...]]] = {
    MAP_VALUE: _map_value,
    EDIT: _edit,
    DISCARD: _reason,
    DECIDE: _decide,
    SKIP: _reason,
}
