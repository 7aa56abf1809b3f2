"""`python -m apps.simulators.provisioning --port P --state DIR`."""

from apps.simulators.core.server import main
from apps.simulators.provisioning.vendor import ProvisioningVendor

if __name__ == "__main__":
    main("provisioning", ProvisioningVendor)
