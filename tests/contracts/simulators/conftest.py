"""Simulators in process, signed in, wrapped in contract clients."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from apps.simulators.core.kit import build_kit
from apps.simulators.netsuite.vendor import NetSuiteVendor
from apps.simulators.provisioning.vendor import ProvisioningVendor
from apps.simulators.salesforce.vendor import SalesforceVendor
from apps.simulators.stripe.vendor import StripeVendor
from tests.contracts.contract_client import ContractClient

SEED: dict[str, Any] = {
    "currencies": [{"name": "EUR", "symbol": "EUR"}, {"name": "JPY", "symbol": "JPY"}],
    "subsidiaries": [{"name": "DE01", "currency": "EUR"}],
    "departments": [{"name": "Sales"}],
    "classes": [{"name": "SaaS"}],
    "locations": [{"name": "Berlin"}],
    "accounts": [
        {"acctName": "Receivables", "acctNumber": "1100", "acctType": "AcctRec"},
        {"acctName": "Bank", "acctNumber": "1000", "acctType": "Bank"},
        {"acctName": "Revenue", "acctNumber": "4000", "acctType": "Income"},
        {"acctName": "Deferred", "acctNumber": "2400", "acctType": "DeferRevenue"},
        {"acctName": "VAT", "acctNumber": "2200", "acctType": "OthCurrLiab"},
    ],
    "taxTypes": [{"name": "VAT_DE"}],
    "taxCodes": [{"itemId": "VAT19", "rate": "19", "taxType": "VAT_DE", "taxAccount": "VAT"}],
    "items": [
        {"itemId": "SUITE", "incomeAccount": "Revenue", "deferredRevenueAccount": "Deferred"},
        {"itemId": "SETUP", "incomeAccount": "Revenue"},
    ],
    "periods": [
        {"month": "2026-09", "closed": True},
        {"month": "2026-10", "arLocked": True},
        {"month": "2026-11"},
        {"month": "2026-12"},
    ],
}


def public_pem(key: Any) -> str:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


@pytest.fixture
def stripe_sim(tmp_path: Path) -> Iterator[ContractClient]:
    vendor = StripeVendor(build_kit("stripe", tmp_path))
    yield ContractClient("stripe", vendor, {"authorization": "Bearer sk_test_contract"})
    vendor.kit.store.close()


@pytest.fixture
def salesforce_sim(tmp_path: Path) -> Iterator[ContractClient]:
    vendor = SalesforceVendor(build_kit("salesforce", tmp_path))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    app = {"client_id": "key", "username": "hub@example.com", "public_key": public_pem(key)}
    vendor.controls["POST", "apps"](app)
    client = ContractClient("salesforce", vendor, {})
    claims = {
        "iss": "key",
        "sub": "hub@example.com",
        "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 120,
    }
    status, token = client.form(
        "POST",
        "/services/oauth2/token",
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": jwt.encode(claims, key, algorithm="RS256"),
        },
    )
    assert status == 200
    client.headers["authorization"] = f"Bearer {token['access_token']}"
    yield client
    vendor.kit.store.close()


@pytest.fixture
def netsuite_sim(tmp_path: Path) -> Iterator[ContractClient]:
    vendor = NetSuiteVendor(build_kit("netsuite", tmp_path))
    vendor.controls["POST", "seed"](SEED)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = {"client_id": "cid", "certificate_id": "cert", "public_key": public_pem(key)}
    vendor.controls["POST", "apps"](certificate)
    client = ContractClient("netsuite", vendor, {})
    token_path = "/services/rest/auth/oauth2/v1/token"
    now = int(time.time())
    claims = {
        "iss": "cid",
        "scope": "rest_webservices",
        "aud": f"http://localhost{token_path}",
        "iat": now,
        "exp": now + 300,
    }
    assertion = jwt.encode(claims, key, algorithm="ES256", headers={"kid": "cert"})
    status, token = client.form(
        "POST",
        token_path,
        {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        },
    )
    assert status == 200
    client.headers["authorization"] = f"Bearer {token['access_token']}"
    client.headers["x-netsuite-propertynamevalidation"] = "Error"
    yield client
    vendor.kit.store.close()


@pytest.fixture
def provisioning_sim(tmp_path: Path) -> Iterator[ContractClient]:
    vendor = ProvisioningVendor(build_kit("provisioning", tmp_path))
    yield ContractClient("provisioning", vendor, {})
    vendor.kit.store.close()
