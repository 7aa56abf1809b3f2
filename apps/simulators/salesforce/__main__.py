"""`python -m apps.simulators.salesforce --port P --state DIR`."""

from apps.simulators.core.server import main
from apps.simulators.salesforce.vendor import SalesforceVendor

if __name__ == "__main__":
    main("salesforce", SalesforceVendor)
