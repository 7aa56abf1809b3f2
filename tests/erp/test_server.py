"""The server that the connector's tests stand on is really there, with our module in it."""

import base64
from typing import Any

import httpx
import pytest

from q2c.stack.tryton.server import TrytonServer


class Client:
    """Tryton's JSON-RPC, bare: the connector under test is not used to prove its own ground."""

    def __init__(self, server: TrytonServer) -> None:
        self.root = f"{server.url}/rpc/"
        self.url = f"{server.url}/{server.database}/rpc/"
        self.headers: dict[str, str] = {}
        user, token, *_ = self.call(
            "common.db.login", server.login, {"password": server.password}, "en"
        )
        session = base64.b64encode(f"{server.login}:{user}:{token}".encode()).decode()
        self.headers["Authorization"] = f"Session {session}"
        self.context = self.call("model.res.user.get_preferences", True, {})

    def call(self, method: str, *params: Any) -> Any:
        body = {"id": 1, "method": method, "params": params}
        url = self.root if method == "common.server.version" else self.url
        answer = httpx.post(url, json=body, headers=self.headers, timeout=60)
        reply = answer.raise_for_status().json()
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply["result"]

    def search_read(self, model: str, domain: list[Any], *fields: str) -> list[dict[str, Any]]:
        found = self.call(
            f"model.{model}.search_read", domain, 0, None, None, fields, self.context
        )
        assert isinstance(found, list)
        return found


@pytest.fixture(scope="module")
def client(tryton: TrytonServer) -> Client:
    return Client(tryton)


def test_it_is_tryton_8_2(client: Client) -> None:
    assert client.call("common.server.version") == "8.2"


def test_the_company_keeps_its_books_in_euro(client: Client) -> None:
    (company,) = client.search_read("company.company", [], "rec_name", "currency.code")
    assert company["rec_name"] == "Hub Test GmbH"
    assert company["currency."]["code"] == "EUR"


def test_periods_of_three_years_are_there_and_the_first_is_closed(client: Client) -> None:
    periods = client.search_read("account.period", [], "state", "start_date")
    assert len(periods) == 36
    closed = [period for period in periods if period["state"] == "closed"]
    first = min(periods, key=lambda period: tuple(period["start_date"].items()))
    assert closed == [first]


def test_taxes_services_and_dimensions_are_there(client: Client) -> None:
    taxes = client.search_read("account.tax", [], "name", "rate")
    assert {tax["name"]: tax["rate"]["decimal"] for tax in taxes} == {
        "VAT 19 %": "0.19",
        "VAT 0 %": "0.00",
    }
    services = client.search_read("product.product", [], "code")
    assert {service["code"] for service in services} == {"SAAS-PLAT", "ONBOARDING"}
    dimensions = client.search_read("analytic_account.account", [["type", "=", "normal"]], "code")
    assert {dimension["code"] for dimension in dimensions} == {"SALES", "ENG"}


@pytest.mark.parametrize("model", ["party.party", "account.invoice", "account.move"])
def test_the_hubs_reference_exists_on_what_it_posts(client: Client, model: str) -> None:
    assert client.search_read(model, [["hub_external_id", "=", "no-such"]], "id") == []


def test_a_second_record_with_the_same_reference_is_refused_by_the_database(
    client: Client,
) -> None:
    values = [{"name": "Twice", "hub_external_id": "QTWICE"}]
    wanted = [["hub_external_id", "=", "QTWICE"]]
    if not client.search_read("party.party", wanted, "id"):
        client.call("model.party.party.create", values, client.context)
    with pytest.raises(RuntimeError, match="The hub external ID must be unique"):
        client.call("model.party.party.create", values, client.context)
    assert len(client.search_read("party.party", wanted, "id")) == 1
