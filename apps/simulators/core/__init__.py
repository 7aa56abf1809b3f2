"""What every simulated vendor shares: store, ledger, faults, webhooks, server."""
