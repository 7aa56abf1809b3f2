"""Small records for tests: one file a group of apps, and ``world`` with a bit of everything."""
