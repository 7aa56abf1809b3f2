"""A billing connection, invoices as its messages, and a handler that notes what it applied."""

import uuid

import pytest

from apps.canonical.services import apply
from apps.canonical.types import Applied
from apps.connectors.models import Connection
from apps.connectors.secrets import seal
from apps.core.principal import system_actor
from apps.events.services import acting
from apps.mappings.services import ensure_mappings
from apps.mappings.types import MappingSpec
from tests.builders.inbound import SECRET

RULES = {
    "object": {
        "record_type": {"const": "noted"},
        "number": "number",
    }
}


@pytest.fixture
def stripe(actor, now):
    with acting(system_actor("tests")):
        connection = Connection.objects.create(
            code="stripe", name="Stripe", vendor="stripe", role="billing",
            secrets=seal({"webhook_secrets": [SECRET]}),
        )  # fmt: skip
    spec = MappingSpec(
        code="stripe.invoice.in", name="Invoices", kind="field", source="stripe",
        target="canonical", rules=RULES, rows=(),
    )  # fmt: skip
    ensure_mappings([spec], actor=actor, now=now)
    return connection


@pytest.fixture
def applied(monkeypatch):
    """(object, version) of every draft in the order of its application; a number ``poison`` makes
    the hub's own code fail."""
    log = []
    newest: dict[str, int] = {}

    def note(drafts, _actor, _now):
        if any(draft.content["number"] == "poison" for draft in drafts):
            raise ZeroDivisionError("a fault of ours")
        results = []
        for draft in drafts:
            if newest.get(draft.external_id, -1) >= draft.source_version:
                results.append(Applied("older"))
                continue
            newest[draft.external_id] = draft.source_version
            log.append((draft.external_id, draft.source_version))
            results.append(Applied("changed", record_id=uuid.uuid4()))
        return results

    monkeypatch.setitem(apply.HANDLERS, "noted", note)
    return log
