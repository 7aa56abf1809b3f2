"""The vendors that this installation can talk to, one line each."""

from functools import cache

from apps.connectors.base import AfterUnknown, Connector
from apps.connectors.vendors.api.connector import ApiConnector
from apps.connectors.vendors.netsuite.connector import NetSuiteConnector
from apps.connectors.vendors.provisioning.connector import ProvisioningConnector
from apps.connectors.vendors.ratetable.connector import RateTableConnector
from apps.connectors.vendors.salesforce.connector import SalesforceConnector
from apps.connectors.vendors.stripe.connector import StripeConnector
from apps.connectors.vendors.tryton.connector import TrytonConnector


@cache
def _connectors() -> dict[str, Connector]:
    connectors: tuple[Connector, ...] = (
        SalesforceConnector(),
        StripeConnector(),
        NetSuiteConnector(),
        ProvisioningConnector(),
        RateTableConnector(),
        TrytonConnector(),
        ApiConnector(),
    )
    for connector in connectors:
        check_capabilities(connector)
    return {connector.vendor: connector for connector in connectors}


def check_capabilities(connector: Connector) -> None:
    """Refuse a connector that leaves open what can be done after an unknown outcome.

    Raises ``ValueError``: a native key needs the time for which the vendor keeps it.
    """
    for operation, capability in connector.capabilities.items():
        keyed = capability.after_unknown is AfterUnknown.NATIVE_KEY
        if keyed and capability.ttl.total_seconds() <= 0:
            raise ValueError(
                f"{connector.vendor}.{operation} has a native key without its ttl: say how long "
                f"the vendor keeps it"
            )


def connector_for(vendor: str) -> Connector:
    """The connector of a vendor. Raises ``LookupError`` naming those that exist."""
    try:
        return _connectors()[vendor]
    except KeyError:
        known = ", ".join(vendors())
        raise LookupError(f"no connector speaks {vendor!r}; there are {known}") from None


def vendors() -> list[str]:
    """The names under which connections may be made."""
    return sorted(_connectors())
