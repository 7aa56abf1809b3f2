"""What administrators entered on the platforms before the hub came: apps, catalogues, accounts.

The ids chosen here are the ones that the hub's value maps in setup.json name.
"""

import datetime as dt
import os
from typing import Any

from scenario.platforms import Platform
from scenario.world import CATALOG, PRODUCTS

STRIPE_KEY = "sk_test_hub"  # the simulator's key, not a secret
STRIPE_WEBHOOK_SECRET = "whsec_stripe_demo"  # noqa: S105 - a demo value
PROVISIONING_SECRET = "whsec_ZGVtby1wcm92aXNpb25pbmctc2VjcmV0LTMyYiE="  # noqa: S105 - a demo value
SALESFORCE_DOOR = "demo-door-4f1c9a"

# tax code → (percent, name, country)
TAX_RATES = {
    "DE-VAT-19": ("19", "German VAT 19 %", "DE"),
    "EU-RC-0": ("0", "EU reverse charge", "DE"),
    "EXPORT-0": ("0", "Outside the EU", "DE"),
    "JP-CT-10": ("10", "Consumption tax 10 %", "JP"),
    "US-CA": ("7.25", "California sales tax", "US"),
    "US-NY": ("8.875", "New York sales tax", "US"),
    "US-TX": ("8.25", "Texas sales tax", "US"),
    "US-WA": ("10.1", "Washington sales tax", "US"),
    "US-IL": ("6.25", "Illinois sales tax", "US"),
    "US-MA": ("6.25", "Massachusetts sales tax", "US"),
    "US-FL": ("7", "Florida sales tax", "US"),
    "US-CO": ("4.81", "Colorado sales tax", "US"),
    "US-GA": ("8.9", "Georgia sales tax", "US"),
    "US-PA": ("8", "Pennsylvania sales tax", "US"),
    "US-NC": ("7.25", "North Carolina sales tax", "US"),
}
ENTITIES = {"US01": ("USD", "US"), "DE01": ("EUR", "DE"), "JP01": ("JPY", "JP")}
ACCOUNTS = {
    "1100": ("Accounts receivable", "AcctRec"),
    "1300": ("Contract asset", "OthCurrAsset"),
    "2400": ("Deferred revenue", "DeferRevenue"),
    "2500": ("Sales tax payable", "OthCurrLiab"),
    "4000": ("Revenue", "Income"),
}


def seed_all(today: dt.date) -> None:
    """Set up the four platforms; repeatable."""
    seed_salesforce()
    seed_stripe()
    seed_netsuite(today)
    seed_provisioning()


def notify() -> None:
    """Enter the hub's doors as receivers of the platforms' messages. Comes after everything else:
    the hub does not know the platforms yet, and would turn their messages away."""
    hub = os.environ["HUB_URL"].rstrip("/")
    doors = {
        "salesforce": {"url": f"{hub}/webhooks/salesforce/{SALESFORCE_DOOR}/"},
        "stripe": {"url": f"{hub}/webhooks/stripe/", "secret": STRIPE_WEBHOOK_SECRET},
        "provisioning": {"url": f"{hub}/webhooks/provisioning/", "secret": PROVISIONING_SECRET},
    }
    for name, endpoint in doors.items():
        Platform(name).control("webhooks", **endpoint)


def seed_salesforce() -> None:
    salesforce = Platform("salesforce")
    salesforce.control("apps", client_id="hub", client_secret="hub-secret")  # noqa: S106 - demo


def seed_stripe() -> None:
    stripe = Platform("stripe")
    stripe.control("keys", key=STRIPE_KEY)
    auth = {"Authorization": f"Bearer {STRIPE_KEY}"}
    page = stripe.call("GET", "/v1/products", params={"limit": 100}, headers=auth)
    known = {product["id"] for product in page["data"]}
    for sku, product in PRODUCTS.items():
        if stripe_product(sku) not in known:
            form = {"id": stripe_product(sku), "name": product["name"], "metadata[sku]": sku}
            stripe.call("POST", "/v1/products", data=form, headers=auth)


def stripe_product(sku: str) -> str:
    """The product id that billing staff chose."""
    return f"prod_{sku.lower().replace('-', '_')}"


def stripe_tax_rates() -> dict[str, str]:
    """Create the tax rates; returns tax code → the id that Stripe gave."""
    stripe, auth = Platform("stripe"), {"Authorization": f"Bearer {STRIPE_KEY}"}
    page = stripe.call("GET", "/v1/tax_rates", params={"limit": 100}, headers=auth)
    made = {rate["jurisdiction"]: str(rate["id"]) for rate in page["data"]}
    for code, (percent, name, country) in TAX_RATES.items():
        form = {"display_name": name, "percentage": percent, "inclusive": "false",
                "country": country, "jurisdiction": code, "metadata[tax_code]": code}  # fmt: skip
        if code not in made:
            rate = stripe.call("POST", "/v1/tax_rates", data=form, headers=auth)
            made[code] = str(rate["id"])
    return made


def _months(today: dt.date) -> list[dict[str, Any]]:
    """Periods around today; the month before last is closed."""
    first = today.year * 12 + today.month - 1
    return [
        {"month": f"{n // 12}-{n % 12 + 1:02d}", "closed": n <= first - 2,
         "arLocked": n <= first - 2, "allLocked": n <= first - 2}
        for n in range(first - 3, first + 15)
    ]  # fmt: skip


def seed_netsuite(today: dt.date) -> None:
    netsuite = Platform("netsuite")
    key = os.environ.get("NETSUITE_PUBLIC_KEY", "")
    if key:
        netsuite.control("apps", client_id="hub", certificate_id="hub-cert", public_key=key)
    netsuite.control(
        "seed",
        currencies=[
            {"externalId": c, "symbol": c, "name": c} for c in ("USD", "EUR", "GBP", "JPY")
        ],
        subsidiaries=[
            {"externalId": code, "name": code, "currency": currency, "country": country}
            for code, (currency, country) in ENTITIES.items()
        ],
        departments=[{"externalId": d, "name": d} for d in CATALOG["departments"]],
        classes=[{"externalId": c, "name": c} for c in CATALOG["classes"]],
        locations=[{"externalId": x, "name": x} for x in CATALOG["locations"]],
        accounts=[
            {"externalId": number, "acctNumber": number, "acctName": name, "acctType": kind}
            for number, (name, kind) in ACCOUNTS.items()
        ],
        taxTypes=[{"externalId": "SALES", "name": "Sales taxes"}],
        taxCodes=[
            {"externalId": code, "itemId": code, "rate": rate, "taxType": "SALES",
             "taxAccount": "2500"}
            for code, (rate, _, _) in TAX_RATES.items()
        ],
        items=[
            {"externalId": sku, "itemId": sku, "incomeAccount": "4000",
             "deferredRevenueAccount": "2400"}
            for sku, product in PRODUCTS.items()
        ],
        periods=_months(today),
        mandatory_segments=["department"],
    )  # fmt: skip


def seed_provisioning() -> None:
    provisioning = Platform("provisioning")
    provisioning.control("secrets", secrets=[PROVISIONING_SECRET])
    provisioning.control("delay", seconds=0.3)
