"""`python -m apps.simulators.stripe --port P --state DIR`."""

from apps.simulators.core.server import main
from apps.simulators.stripe.vendor import StripeVendor

if __name__ == "__main__":
    main("stripe", StripeVendor)
