"""The group and the mappings, and one call from a platform's document to what became of it."""

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from apps.canonical.services import apply_drafts
from apps.canonical.types import Applied, Draft
from apps.core.principal import system_actor
from apps.events.services import acting
from apps.mappings.services import ensure_mappings, translate
from apps.mappings.types import TranslationRequest
from tests.factories.organisation import make_group
from tests.integration.canonical.world import CONNECTION, specs

TESTS = system_actor("tests")
Receive = Callable[..., list[Applied]]


@pytest.fixture
def installed(db: Any, now: dt.datetime) -> None:
    make_group(now.date())
    ensure_mappings(specs(), actor=system_actor("setup"), now=now)


@pytest.fixture
def receive(installed: None, now: dt.datetime) -> Receive:
    """Translate documents of one mapping by its active version and apply the drafts."""

    def run(mapping: str, *documents: dict[str, Any], version: int = 1) -> list[Applied]:
        with acting(TESTS):
            translated = translate([_request(mapping, d) for d in documents], now=now)
            assert [t.missing for t in translated] == [()] * len(documents)
            return apply_drafts(
                [
                    _draft(mapping, document, done.output or {}, version)
                    for document, done in zip(documents, translated, strict=True)
                ],
                now=now,
            )

    return run


def _request(mapping: str, document: dict[str, Any]) -> TranslationRequest:
    return TranslationRequest(mapping, document, "", "tests", uuid.uuid4(), CONNECTION)


def _draft(mapping: str, document: dict[str, Any], content: Any, version: int) -> Draft:
    vendor, object_type, _ = mapping.split(".")
    return Draft(
        record_type=content["record_type"],
        connection_id=CONNECTION,
        source_system=vendor,
        object_type=object_type,
        external_id=str(document["id" if "id" in document else "Id"]),
        source_version=version,
        content=content,
    )
