"""`python -m apps.simulators.netsuite --port P --state DIR`."""

from apps.simulators.core.server import main
from apps.simulators.netsuite.vendor import NetSuiteVendor

if __name__ == "__main__":
    main("netsuite", NetSuiteVendor)
