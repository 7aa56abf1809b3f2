"""The workflows of the hub, each readable top to bottom as the business would tell it."""

from apps.workflows.definitions import amendment, invoice_posting, order_activation

__all__ = ["amendment", "invoice_posting", "order_activation"]
