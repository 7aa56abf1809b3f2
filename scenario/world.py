"""Who buys what: 40 customers of three legal entities, the same in every run."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

CATALOG = json.loads((Path(__file__).parent / "catalog.json").read_text())
PRODUCTS = {product["sku"]: product for product in CATALOG["products"]}
SEED = 20_260


@dataclass(frozen=True, slots=True)
class Buyer:
    """A customer as the sales team keeps it in the CRM."""

    number: str
    name: str
    entity: str
    currency: str
    country: str
    city: str
    street: str
    postal_code: str
    state: str = ""
    vat_id: str = ""

    @property
    def department(self) -> str:
        return {"US01": "SALES-AMER", "DE01": "SALES-EMEA", "JP01": "SALES-APAC"}[self.entity]

    @property
    def region(self) -> str:
        return {"US01": "NYC", "DE01": "BER", "JP01": "TYO"}[self.entity]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a quote; ``parent`` is the index of the bundle's line."""

    sku: str
    quantity: int
    unit_price: Decimal
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Deal:
    """A quote to be accepted; ``plant`` names the problem that is planted in it."""

    key: str
    buyer: Buyer
    lines: tuple[Line, ...]
    start_days_ago: int
    term_months: int = 12
    plant: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


US = [
    ("Pacific Ridge Foods", "CA", "Oakland", "94607"), ("Brightwater Analytics", "NY", "New York", "10013"),
    ("Lumen & Co", "TX", "Austin", "78701"), ("Kestrel Aerospace", "WA", "Seattle", "98101"),
    ("Northgate Logistics", "IL", "Chicago", "60606"), ("Sundial Media", "NY", "Brooklyn", "11201"),
    ("Calloway Press", "MA", "Boston", "02110"), ("Copperline Energy", "TX", "Houston", "77002"),
    ("Fairmont Clinics", "FL", "Miami", "33131"), ("Granite Peak Outdoors", "CO", "Denver", "80202"),
    ("Harbor Freight Systems", "GA", "Atlanta", "30303"), ("Ironwood Robotics", "CA", "San Jose", "95113"),
    ("Juniper Hill Schools", "PA", "Philadelphia", "19103"), ("Keystone Labs", "NC", "Raleigh", "27601"),
    ("Lakeshore Credit Union", "IL", "Evanston", "60201"), ("Meridian Freight", "WA", "Tacoma", "98402"),
]  # fmt: skip
EU = [
    ("Bluefin Systems GmbH", "DE", "Hamburg", "20457", "DE811569869"), ("Ferro Industrial GmbH", "DE", "Essen", "45127", "DE129273398"),
    ("Alpenglow Software GmbH", "DE", "Munich", "80331", "DE136695976"), ("Rheinwerk Digital AG", "DE", "Bonn", "53111", "DE122265872"),
    ("Mirabel Santé SAS", "FR", "Lyon", "69002", "FR40303265045"), ("Atelier Nord SARL", "FR", "Lille", "59000", "FR83404833048"),
    ("Halvorsen Marine BV", "NL", "Rotterdam", "3011", "NL004495445B01"), ("Tulpen Retail BV", "NL", "Utrecht", "3511", "NL853746333B01"),
    ("Sole Levante SpA", "IT", "Milan", "20121", "IT00743110157"), ("Costa Verde SL", "ES", "Valencia", "46002", "ESB58378431"),
]  # fmt: skip
GB = [
    ("Ashdown Instruments Ltd", "Bristol", "BS1 4DJ"), ("Cromwell Books Ltd", "London", "EC1A 1BB"),
    ("Dunmore Textiles Ltd", "Leeds", "LS1 4AP"), ("Eastgate Insurance plc", "London", "EC3V 4AB"),
    ("Fenwick Hotels Ltd", "York", "YO1 7HH"), ("Glenmore Dairy Ltd", "Glasgow", "G1 1XQ"),
]  # fmt: skip
JP = [
    ("Aozora Kikai KK", "Tokyo", "100-0005"), ("Hinode Foods KK", "Osaka", "530-0001"),
    ("Kawasemi Design KK", "Kyoto", "600-8001"), ("Minato Shipping KK", "Yokohama", "220-0011"),
    ("Sakura Medical KK", "Nagoya", "450-0002"), ("Tsubame Robotics KK", "Tokyo", "108-0075"),
    ("Umi Energy KK", "Fukuoka", "812-0011"), ("Yamabiko Media KK", "Sapporo", "060-0001"),
]  # fmt: skip


def buyers() -> list[Buyer]:
    """The 40 customers, numbered C-1001 upwards."""
    made: list[tuple[Any, ...]] = []
    made += [(n, "US01", "USD", "US", c, z, s, "") for n, s, c, z in US]
    made += [(n, "DE01", "EUR", k, c, z, "", v) for n, k, c, z, v in EU]
    made += [(n, "DE01", "GBP", "GB", c, z, "", "") for n, c, z in GB]
    made += [(n, "JP01", "JPY", "JP", c, z, "", "") for n, c, z in JP]
    return [
        Buyer(f"C-{1001 + n}", name, entity, currency, country, city, f"{10 + n} Market Street",
              postal, state, vat)
        for n, (name, entity, currency, country, city, postal, state, vat) in enumerate(made)
    ]  # fmt: skip


def deals() -> list[Deal]:
    """100 quotes: bundles, annual and monthly terms, one-time lines; ten of them are planted."""
    chance, everyone = Random(SEED), buyers()
    made = []
    for n in range(100):
        buyer = everyone[n % len(everyone)]
        made.append(Deal(f"D-{n:03d}", buyer, _lines(n, buyer, chance), chance.randint(1, 20)))
    return made


def _lines(n: int, buyer: Buyer, chance: Random) -> tuple[Line, ...]:
    """The shape rotates with the deal's number so that every kind occurs often."""
    discount = Decimal(chance.choice([0, 0, 5, 10, 15])) / 100
    seats = chance.randint(5, 120)
    shapes: list[list[tuple[str, int]]] = [
        [("PLAT-ENT", 1), ("SEAT-PRO", seats), ("ONB-STD", 1)],
        [("PLAT-TEAM", 1), ("SEAT-PRO", seats)],
        [("STORAGE-TB", seats), ("API-PACK", chance.randint(1, 9))],
        [("PLAT-TEAM", 2), ("ANALYTICS", 1), ("TRAIN-DAY", 2)],
    ]
    if n % 5 == 0:
        parts = PRODUCTS["SUITE-ENT"]["bundle"]
        quantities = {"SEAT-PRO": seats}
        return (
            _line("SUITE-ENT", 1, buyer, discount),
            *(_line(sku, quantities.get(sku, 1), buyer, discount, 0) for sku in parts),
        )
    return tuple(_line(sku, q, buyer, discount) for sku, q in shapes[n % 4])


def _line(
    sku: str, quantity: int, buyer: Buyer, discount: Decimal, parent: int | None = None
) -> Line:
    price = Decimal(PRODUCTS[sku]["price"][buyer.currency]) * (1 - discount)
    unit = Decimal(1) if buyer.currency == "JPY" else Decimal("0.01")
    return Line(sku, quantity, price.quantize(unit), parent)
