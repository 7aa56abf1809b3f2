"""A connection's lane: one holder of its whole call budget, and what is worked in it."""
