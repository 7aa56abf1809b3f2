"""Stripe Billing, API 2026-10-28.endive, as far as quote-to-cash needs it."""
