"""Stripe Billing, API 2026-10-28.endive."""
