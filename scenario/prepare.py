"""The demo installation's set-up file: setup.json with addresses, credentials and ids."""

import datetime as dt
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from scenario import seed
from scenario.platforms import Salesforce, address
from scenario.world import CATALOG, PRODUCTS

NOT_MAPPED = {product["sku"] for product in CATALOG["products"] if product.get("unmapped")}


def prepare(path: Path, today: dt.date) -> None:
    """Set the platforms up and write the hub's set-up file, readable by its owner only."""
    private, public = _key_pair(path.with_suffix(".pem"))
    os.environ["NETSUITE_PUBLIC_KEY"] = public
    seed.seed_all(today)
    document = json.loads((Path(__file__).parent / "setup.json").read_text())
    tax_rates = seed.stripe_tax_rates()
    seed.notify()
    document["tax_codes"] = _tax_codes()
    document["connections"] = _connections(private)
    document["value_maps"] = _value_maps(tax_rates)
    path.touch(mode=0o600)
    path.write_text(json.dumps(document, indent=1))


def _key_pair(path: Path) -> tuple[str, str]:
    """NetSuite's client credentials key: made once, kept beside the set-up file."""
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
        path.touch(mode=0o600)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return path.read_text(), public.decode()


def _rate(percent: str) -> str:
    return format(Decimal(percent) / 100, "f")


def _tax_codes() -> list[dict[str, Any]]:
    entity = {"US": "US01", "DE": "DE01", "JP": "JP01"}
    return [
        {"code": code, "name": name, "kind": "vat" if country == "DE" else "sales",
         "country": country, "rate": _rate(percent), "entity": entity[country]}
        for code, (percent, name, country) in seed.TAX_RATES.items()
    ]  # fmt: skip


def _connections(private_key: str) -> list[dict[str, Any]]:
    return [
        {
            "code": "salesforce", "name": "Salesforce CPQ", "vendor": "salesforce", "role": "cpq",
            "base_url": address("salesforce"), "poll_every_seconds": 15,
            "config": {"client_id": "hub", "api_version": "v67.0",
                       "organization_id": _organization()},
            "secrets": {"client_secret": "hub-secret", "door_tokens": [seed.SALESFORCE_DOOR]},
        },
        {
            "code": "stripe", "name": "Stripe Billing", "vendor": "stripe", "role": "billing",
            "base_url": address("stripe"), "poll_every_seconds": 30, "config": {},
            "secrets": {"api_key": seed.STRIPE_KEY,
                        "webhook_secrets": [seed.STRIPE_WEBHOOK_SECRET]},
        },
        {
            "code": "netsuite", "name": "NetSuite", "vendor": "netsuite", "role": "erp",
            "base_url": address("netsuite"), "concurrency": 4,
            "config": {"client_id": "hub", "certificate_id": "hub-cert",
                       "account_id": "DEMO_1"},
            "secrets": {"private_key": private_key},
        },
        {
            "code": "provisioning", "name": "Provisioning", "vendor": "provisioning",
            "role": "provisioning", "base_url": address("provisioning"), "config": {},
            "poll_every_seconds": 30,
            "secrets": {"signing_secret": seed.PROVISIONING_SECRET,
                        "webhook_secrets": [seed.PROVISIONING_SECRET]},
        },
        {
            "code": "tax-table", "name": "Tax rate table", "vendor": "ratetable", "role": "tax",
            "config": {"rates": {c: _rate(p) for c, (p, _, _) in seed.TAX_RATES.items()}},
        },
    ]  # fmt: skip


def _organization() -> str:
    """The org id that outbound messages carry, as a sign-in tells it."""
    return Salesforce().organization


def _value_maps(tax_rates: dict[str, str]) -> list[dict[str, Any]]:
    mapped = [sku for sku in PRODUCTS if sku not in NOT_MAPPED]
    same = {
        "entities.netsuite": ("Legal entities", "hub", "netsuite", list(seed.ENTITIES)),
        "departments.netsuite": ("Departments", "hub", "netsuite", CATALOG["departments"]),
        "classes.netsuite": ("Classes", "hub", "netsuite", CATALOG["classes"]),
        "locations.netsuite": ("Locations", "hub", "netsuite", CATALOG["locations"]),
        "currencies.netsuite": ("Currencies", "hub", "netsuite", ["USD", "EUR", "GBP", "JPY"]),
        "tax_codes.netsuite": ("Tax codes", "hub", "netsuite", list(seed.TAX_RATES)),
        "products.netsuite": ("Items", "hub", "netsuite", mapped),
        "entities.salesforce": ("Legal entities", "salesforce", "hub", list(seed.ENTITIES)),
    }
    maps = [
        _map(code, name, source, target, {value: value for value in values})
        for code, (name, source, target, values) in same.items()
    ]
    return [
        *maps,
        _map("products.stripe", "Products", "hub", "stripe",
             {sku: seed.stripe_product(sku) for sku in PRODUCTS}),
        _map("tax_codes.stripe", "Tax codes", "hub", "stripe", tax_rates),
        _map("accounts.netsuite", "Accounts", "hub", "netsuite",
             {"contract_asset": "1300", "deferred_revenue": "2400", "revenue": "4000"}),
        _map("frequencies.salesforce", "Billing frequencies", "salesforce", "hub",
             {"Monthly": "monthly", "Annual": "annual"}),
    ]  # fmt: skip


def _map(code: str, name: str, source: str, target: str, values: dict[str, str]) -> dict[str, Any]:
    rows = [{"source": key, "target": value} for key, value in values.items()]
    return {"code": code, "name": name, "source": source, "target": target, "rows": rows}
