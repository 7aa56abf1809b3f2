"""Keys. Rows are keyed by UUIDv7 (RFC 9562); vendors see a 16-character reference."""

import base64
import datetime as dt
import hashlib
import os
import time
import uuid

REFERENCE_LENGTH = 14


def uuid7() -> uuid.UUID:
    """A time-ordered UUID (RFC 9562 section 5.7). Python 3.11 has none of its own."""
    millis = time.time_ns() // 1_000_000
    tail = int.from_bytes(os.urandom(10), "big")
    value = (millis & (2**48 - 1)) << 80 | tail
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return uuid.UUID(int=value)


def first_uuid7(moment: dt.datetime) -> uuid.UUID:
    """The smallest UUIDv7 of a moment: rows with this id or a later one were made since then."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80)


def vendor_reference(key: str) -> str:
    """Our reference inside vendor documents: ``Q`` and 13 base32 characters of a key's hash.

    SAP's DocumentReferenceID allows 16 characters, the shortest of the connected ERPs, so that
    one value fits every platform.
    """
    digest = hashlib.sha256(key.encode()).digest()
    return "Q" + base64.b32encode(digest)[: REFERENCE_LENGTH - 1].decode()
