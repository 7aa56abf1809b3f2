"""One setup file makes an installation; loading it again changes nothing."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.api.setup.document import SetupError, read_document
from apps.api.setup.load import load_setup
from apps.connectors.models import Connection
from apps.connectors.secrets import unseal
from apps.events.models import Transition
from apps.mappings.models import MappingVersion, ValueMapRow
from apps.organisation.models import ExchangeRate, PostingPeriod
from apps.users.models import RoleGrant, User

DEMO = Path(__file__).parents[3] / "scenario" / "setup.json"
MORE: dict[str, Any] = {
    "connections": [
        {
            "code": "stripe", "name": "Stripe", "vendor": "stripe", "role": "billing",
            "base_url": "http://127.0.0.1:9101", "secrets": {"api_key": "${STRIPE_KEY}"},
        }
    ],
    "value_maps": [
        {
            "code": "products.stripe", "name": "Products", "source": "hub", "target": "stripe",
            "rows": [{"source": "SEAT", "target": "prod_1"},
                     {"source": "SEAT", "target": "prod_2", "scope": "DE01"}],
        }
    ],
}  # fmt: skip


@pytest.fixture
def setup_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRIPE_KEY", 'sk_test_"quoted"')
    path = tmp_path / "setup.json"
    path.write_text(json.dumps({**json.loads(DEMO.read_text()), **MORE}))
    return path


@pytest.mark.django_db
def test_everything_is_there_once_however_often_it_is_loaded(
    setup_file: Path, now: dt.datetime
) -> None:
    document = read_document(setup_file)
    load_setup(document, now=now)
    before = _counts()
    load_setup(document, now=now + dt.timedelta(minutes=5))
    assert _counts() == before
    periods = PostingPeriod.objects.filter(legal_entity__code="JP01").order_by("start")
    assert [(p.code, p.state) for p in periods][:4] == [
        ("2026-08", "locked"), ("2026-09", "locked"), ("2026-10", "open"), ("2026-11", "open"),
    ]  # fmt: skip
    # 23 November 2026 is a Monday: rates are those of Friday
    assert {rate.rate_date for rate in ExchangeRate.objects.all()} == {dt.date(2026, 11, 20)}
    stripe = Connection.objects.get(code="stripe")
    assert unseal(stripe.secrets, "stripe") == {"api_key": 'sk_test_"quoted"'}
    assert RoleGrant.objects.get(user__username="tom").legal_entity is not None
    assert not Transition.objects.filter(actor__isnull=True).exists()


def _counts() -> dict[str, int]:
    models = (
        User,
        RoleGrant,
        Connection,
        PostingPeriod,
        ExchangeRate,
        MappingVersion,
        ValueMapRow,
    )
    return {model.__name__: model.objects.count() for model in models}


@pytest.mark.django_db
def test_a_section_nobody_knows_and_an_entity_nobody_added_are_named(now: dt.datetime) -> None:
    with pytest.raises(SetupError, match="curencies"):
        load_setup({"curencies": []}, now=now)
    row = {"code": "X", "name": "X", "kind": "vat", "country": "FR", "rate": "0", "entity": "FR01"}
    with pytest.raises(SetupError, match="no legal entity FR01"):
        load_setup({"tax_codes": [row]}, now=now)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be read"):
        read_document(tmp_path / "absent.json")
    (tmp_path / "bad.json").write_text('{"a": ${NOT_SET_ANYWHERE}}')
    with pytest.raises(SetupError, match="NOT_SET_ANYWHERE"):
        read_document(tmp_path / "bad.json")
    (tmp_path / "bad.json").write_text('{"a": ')
    with pytest.raises(SetupError, match="line 1 is not JSON"):
        read_document(tmp_path / "bad.json")


def test_the_command_tells_a_person_and_not_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("load_setup", str(tmp_path / "absent.json"))
