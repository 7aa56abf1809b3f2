"""Which tax a line carries, from the table of the connection: VAT with reverse charge, US sales
tax by state, consumption tax. Rates are fractions (0.19)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.core.errors import RejectedError
from apps.core.money import parse_amount, quantise

# Forms of VAT identification numbers (ec.europa.eu/taxation_customs/vies, FAQ question 11).
VAT_FORMS = {
    "AT": r"ATU\d{8}", "BE": r"BE[01]\d{9}", "BG": r"BG\d{9,10}", "CY": r"CY\d{8}[A-Z]",
    "CZ": r"CZ\d{8,10}", "DE": r"DE\d{9}", "DK": r"DK\d{8}", "EE": r"EE\d{9}",
    "ES": r"ES[A-Z0-9]\d{7}[A-Z0-9]", "FI": r"FI\d{8}", "FR": r"FR[A-Z0-9]{2}\d{9}",
    "GR": r"EL\d{9}", "HR": r"HR\d{11}", "HU": r"HU\d{8}",
    "IE": r"IE\d[A-Z0-9+*]\d{5}[A-Z]{1,2}", "IT": r"IT\d{11}", "LT": r"LT(\d{9}|\d{12})",
    "LU": r"LU\d{8}", "LV": r"LV\d{11}", "MT": r"MT\d{8}", "NL": r"NL\d{9}B\d{2}",
    "PL": r"PL\d{10}", "PT": r"PT\d{9}", "RO": r"RO\d{2,10}", "SE": r"SE\d{12}",
    "SI": r"SI\d{8}", "SK": r"SK\d{10}",
}  # fmt: skip
EU = frozenset(VAT_FORMS)

# States that do not tax software as a service, or have no sales tax at all.
US_UNTAXED = frozenset(
    {"AK", "AL", "AR", "CA", "CO", "DE", "FL", "GA", "ID", "IL", "IN", "KS", "KY", "LA", "ME",
     "MI", "MN", "MO", "MT", "NC", "ND", "NE", "NH", "NJ", "NV", "OK", "OR", "VA", "VT", "WI",
     "WY"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Treatment:
    """A tax code with its rate as a fraction."""

    code: str
    rate: Decimal


def treatment(request: Mapping[str, Any], rates: Mapping[str, str]) -> Treatment:
    """The treatment of a sale. Raises ``RejectedError`` naming the customer's field at fault."""
    seller, customer = str(request["seller_country"]), request["customer"]
    buyer = str(customer.get("country") or "")
    if not buyer:
        raise _invalid("customer.country", f"{customer['name']} has no country", "Enter it")
    if seller == "US" and buyer == "US":
        return _us_sales_tax(customer, rates)
    if seller == buyer == "JP":
        return _named("JP-CT-10", rates)
    if seller in EU:
        return _vat(seller, buyer, customer, rates)
    return _named("EXPORT-0", rates)


def check_customer(
    seller_country: str, customer: Mapping[str, Any], rates: Mapping[str, str]
) -> None:
    """Whether a customer can be taxed when this country sells to it. A state of the US and a VAT
    number of the EU must have their form even where no tax depends on them.

    Raises ``RejectedError`` naming the customer's field at fault.
    """
    country = str(customer.get("country") or "")
    if country == "US" and customer.get("state_code"):
        _us_sales_tax(customer, {**rates, "US-NONE-0": "0"})
    if country in EU and customer.get("vat_id") and not _is_vat_id(customer, country):
        raise _not_a_vat_id(customer, country)
    treatment({"seller_country": seller_country, "customer": customer}, rates)


def _us_sales_tax(customer: Mapping[str, Any], rates: Mapping[str, str]) -> Treatment:
    state = str(customer.get("state_code") or "").upper()
    code = f"US-{state}"
    if code in rates:
        return _named(code, rates)
    if state in US_UNTAXED:
        return _named("US-NONE-0", rates)
    raise _invalid(
        "customer.state_code",
        f"{customer['name']} is in the state {state or '(none)'}, which the tax table does not "
        f"know",
        "Correct the state in the customer's address",
    )


def _vat(
    seller: str, buyer: str, customer: Mapping[str, Any], rates: Mapping[str, str]
) -> Treatment:
    if buyer == seller:
        return _named(next(code for code in rates if code.startswith(f"{seller}-VAT-")), rates)
    if buyer not in EU:
        return _named("EXPORT-0", rates)
    if _is_vat_id(customer, buyer):
        return _named("EU-RC-0", rates)
    raise _not_a_vat_id(customer, buyer)


def _vat_id(customer: Mapping[str, Any]) -> str:
    return re.sub(r"[\s.-]", "", str(customer.get("vat_id") or "")).upper()


def _is_vat_id(customer: Mapping[str, Any], country: str) -> bool:
    return re.fullmatch(VAT_FORMS[country], _vat_id(customer)) is not None


def _not_a_vat_id(customer: Mapping[str, Any], country: str) -> RejectedError:
    said = _vat_id(customer) or "(none)"
    return _invalid(
        "customer.vat_id",
        f"{customer['name']} has the VAT number {said}, which is no VAT number of {country}",
        "Correct it; reverse charge needs a valid number",
    )


def _named(code: str, rates: Mapping[str, str]) -> Treatment:
    if code not in rates:
        raise _invalid("config.rates", f"The tax table has no rate {code}", "Add it")
    return Treatment(code, Decimal(rates[code]))


def _invalid(field: str, fault: str, remedy: str) -> RejectedError:
    return RejectedError("tax_validation_failed", f"{fault}. {remedy}, then retry.", field=field)


def quote_tax(request: Mapping[str, Any], rates: Mapping[str, str]) -> dict[str, Any]:
    """Tax of each line, rounded half-up a line, and their sum; amounts in major units as text."""
    found = treatment(request, rates)
    currency = str(request["currency"])
    lines = []
    total = Decimal(0)
    for line in request["lines"]:
        tax = quantise(parse_amount(line["net"]) * found.rate, currency)
        total += tax
        lines.append(
            {"position": line["position"], "tax_code": found.code, "rate": str(found.rate),
             "tax": str(tax)}
        )  # fmt: skip
    return {"lines": lines, "tax": str(total), "tax_code": found.code, "rate": str(found.rate)}
