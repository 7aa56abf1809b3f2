"""What is kept of an exchange holds no secret and no whole personal value."""

import json

import pytest

from apps.connectors.redaction import KEPT_CHARACTERS, MASK, redact_body, redact_headers


def test_headers_that_authenticate_are_masked() -> None:
    kept = redact_headers(
        {"Authorization": "Bearer secret", "Stripe-Signature": "t=1,v1=a", "Request-Id": "req_1"}
    )
    assert kept == {"authorization": MASK, "stripe-signature": MASK, "request-id": "req_1"}


@pytest.mark.parametrize(
    "name", ["access_token", "client_secret", "client_assertion", "password", "private_key"]
)
def test_secrets_disappear_from_json_and_forms(name: str) -> None:
    as_json = redact_body(json.dumps({"a": [{name: "top secret"}]}).encode(), "application/json")
    as_form = redact_body(f"{name}=top+secret&b=1".encode(), "application/x-www-form-urlencoded")
    assert "top" not in as_json
    assert "top" not in as_form
    assert "b=1" in as_form


@pytest.mark.parametrize(
    "name", ["email", "Billing_Email__c", "VAT_ID__c", "vatRegNumber", "line1", "BillingStreet"]
)
def test_personal_values_keep_two_characters_at_each_end(name: str) -> None:
    kept = json.loads(redact_body(json.dumps({name: "ada@lovelace.example"}).encode(), "json"))
    assert kept == {name: f"ad{MASK}le"}


def test_amounts_keep_their_digits() -> None:
    assert redact_body(b'{"amount": 10.10}', "application/json") == '{"amount": "10.10"}'


def test_nested_forms_are_masked_by_their_last_name() -> None:
    kept = redact_body(b"address[line1]=Hafenstrasse+12&name=Nord", "x-www-form-urlencoded")
    assert kept == f"address[line1]=Ha{MASK}12&name=Nord"


def test_a_session_id_leaves_soap_and_long_bodies_are_cut() -> None:
    kept = redact_body(b"<SessionId>abc</SessionId><Id>1</Id>", "text/xml")
    assert kept == f"<SessionId>{MASK}</SessionId><Id>1</Id>"
    assert len(redact_body(b"x" * 100_000, "text/plain")) == KEPT_CHARACTERS


def test_a_cut_off_json_body_is_not_kept_in_clear() -> None:
    kept = redact_body(b'{"access_token": "top secret", "x": ', "application/json")
    assert "top secret" not in kept
