"""The vendors that this installation can talk to, one line each."""

from functools import cache

from apps.connectors.base import Connector, capability_fault
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
    """Raises ``ValueError`` for a capability that the protocol cannot work with. A write that
    declares none is refused where it is submitted and again where it would be sent."""
    for operation, capability in connector.capabilities.items():
        fault = capability_fault(capability)
        if fault:
            raise ValueError(f"{connector.vendor}.{operation} {fault}")


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
