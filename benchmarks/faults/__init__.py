"""The fault campaign: real processes, seeded faults, the platforms' ledgers as judges."""
