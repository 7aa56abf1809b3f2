"""What a remedy is called and what it does, in the words of the person who chooses it."""

from dataclasses import dataclass

from apps.exceptions.models import ExceptionCase
from apps.resolutions.types import (
    CORRECT,
    DECIDE,
    DISCARD,
    EDIT,
    MAP_VALUE,
    NEXT_PERIOD,
    RETRY,
    SET_ASIDE,
    SKIP,
)


@dataclass(frozen=True, slots=True)
class Words:
    title: str
    note: str
    scope: str
    scope_note: str


def words_of(remedy: str, case: ExceptionCase, members: int) -> Words:
    """Title, note and scope of a remedy for a case; ``members`` open cases share its cause."""
    document = case.document or case.reference
    key, mapping = case.facts.get("key", ""), case.facts.get("mapping", "")
    target = case.facts.get("target", "")
    shared = "this case" if members == 1 else f"all {members} cases with this cause"
    again = "this case retries by itself" if members == 1 else f"{shared} retry by themselves"
    words = {
        RETRY: Words(
            _retry_title(case, document),
            _retry_note(case, document),
            "this case",
            "helps when the cause is already mended",
        ),
        MAP_VALUE: Words(
            f"Change the mapping of {key}" if target else f"Map {key} and retry",
            _mapping_note(mapping, key, target) + f" A second person approves, then {again}.",
            shared,
            "needs a second person",
        ),
        CORRECT: Words(
            "Correct the customer and retry",
            f"Changes the customer in the hub, with history, and retries {document}.",
            shared,
            "stands until the source says otherwise",
        ),
        EDIT: Words(
            "Edit the message and retry",
            "Processes your version of the message; the original is kept beside it.",
            "this case",
            "mend the source too, or it comes back",
        ),
        NEXT_PERIOD: Words(
            "Post to the next open period",
            f"Moves the posting date of {document} to the first day of the next open period.",
            "this case",
            "the invoice's own date stays",
        ),
        DISCARD: Words(
            "Discard with a reason",
            f"Gives {document} up: nothing more is sent for it. This cannot be taken back.",
            "this case",
            "leaves a gap between the systems",
        ),
        SKIP: Words(
            "Let those behind it go on",
            f"{document} stays as it is and keeps this case; what waits behind it is sent in its "
            f"order. A second person approves first.",
            "this case",
            "needs a second person",
        ),
        DECIDE: Words(
            "Decide what happened",
            f"You looked at {case.facts.get('connection', 'the platform')} and say what stands "
            f"there. A second person confirms before anything moves.",
            "this case",
            "needs a second person",
        ),
    }
    return words[remedy]


def _retry_title(case: ExceptionCase, document: str) -> str:
    if case.code == "acceptance_without_approval":
        return f"Look at {document} in CPQ again"
    return "Retry as it is"


def _retry_note(case: ExceptionCase, document: str) -> str:
    if case.code == "acceptance_without_approval":
        return (
            f"Once {document} is approved in CPQ it comes again, and this case closes by itself. "
            f"This reads it there now; when it is still not approved, the case stays open."
        )
    if case.subject_type == "ingestion.event":
        return f"Reads the message of {document} again with today's mappings and master data."
    if case.subject_type == SET_ASIDE:
        return "Hands the event over again, once what failed on it is mended."
    return f"Sends {document} again with today's mappings and master data."


def _mapping_note(mapping: object, key: object, target: object) -> str:
    if target:
        return f"{mapping} makes {target} of {key}, which the platform does not have."
    return f"Adds {key} to {mapping}."
