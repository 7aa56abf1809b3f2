"""Every write of this app."""

from apps.ingestion.services.door import quarantine, receive_delivery
from apps.ingestion.services.process import process_due
from apps.ingestion.services.reading import read_source
from apps.ingestion.services.repair import (
    discard_events,
    edit_and_receive,
    edit_unreadable,
    expire_waiting,
    receive_again,
    wake_known,
    wake_waiting,
)
from apps.ingestion.services.split import split_deliveries

__all__ = [
    "discard_events",
    "edit_and_receive",
    "edit_unreadable",
    "expire_waiting",
    "process_due",
    "quarantine",
    "read_source",
    "receive_again",
    "receive_delivery",
    "split_deliveries",
    "wake_known",
    "wake_waiting",
]
