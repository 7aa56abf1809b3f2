"""From the hub's codes to Tryton's ids: parties, products, taxes, accounts, dimensions.

Slow reference data is asked for once per process; parties are asked for each time.
"""

from typing import Any

from apps.connectors.errors import error_for
from apps.connectors.http import Session
from apps.connectors.vendors.tryton.client import TrytonClient

REVENUE = "template.account_category.account_revenue"
# What names a record of each model.
_NAMES = {
    "account.account": "code",
    "account.tax": "name",
    "analytic_account.account": "code",
    "country.country": "code",
    "currency.currency": "code",
    "party.party": "hub_external_id",
    "product.product": "code",
}
_NOUNS = {
    "account.account": "account",
    "account.tax": "tax",
    "analytic_account.account": "analytic account",
    "country.country": "country",
    "currency.currency": "currency",
    "party.party": "party",
    "product.product": "product",
}


class References:
    """Looks up ids of one call's document; ``operation`` names the exchanges."""

    def __init__(self, session: Session, client: TrytonClient, operation: str) -> None:
        self._session, self._client, self._operation = session, client, operation

    async def find(self, model: str, code: str, field: str) -> dict[str, Any]:
        """The one record of a code. Raises ``RejectedError`` (unknown_reference) naming
        ``field`` of the document when there is none or several."""
        memory = self._session.memory
        known: dict[str, Any] | None = memory.get((model, code))
        if known is not None:
            return known
        domain: list[Any] = [[_NAMES[model], "=", code]]
        if model == "account.account":
            domain.append(["company", "=", self.company])
        fields = ["id", *_EXTRA.get(model, ())]
        found = await self._client.search_read(self._operation, model, domain, fields)
        if len(found) != 1:
            raise error_for(
                "unknown_reference",
                f"{self._session.vendor_name} has {len(found) or 'no'} {_NOUNS[model]} {code}. "
                f"Correct the mapping of {field} or the record there, then retry.",
                field=field,
            )
        if model != "party.party":
            memory[model, code] = found[0]
        return found[0]

    async def first(self, model: str, domain: list[Any], field: str) -> int:
        """The id of the first record of a domain (a default of the company)."""
        memory = self._session.memory
        key = (model, str(domain))
        if key not in memory:
            found = await self._client.search_read(self._operation, model, domain, ["id"])
            if not found:
                raise error_for(
                    "unknown_reference",
                    f"{self._session.vendor_name} has no {field}. Set one up there, then retry.",
                    field=field,
                )
            memory[key] = found[0]["id"]
        return int(memory[key])

    @property
    def company(self) -> int:
        """The company of the hub's user."""
        return int(self._session.tokens["context"]["company"])


_EXTRA = {
    "analytic_account.account": ("root",),
    "product.product": ("template.default_uom", "template.name", REVENUE),
    "party.party": ("addresses",),
}
