"""Which fields of a record a source may not change, because another system's word counts for them.

The rules are kept by an app above this one, which registers how to read them; without any, every
source may change every field it names.
"""

from collections.abc import Callable, Mapping

# Record type → field ("*" for all others) → owner role, and vendor → role.
Owners = Mapping[str, Mapping[str, str]]
Rules = tuple[Owners, Mapping[str, str]]

_readers: list[Callable[[], Rules]] = []


def read_rules_with(reader: Callable[[], Rules]) -> None:
    """Register how the rules are read; the last reader counts."""
    _readers[:] = [reader]


def fields_not_owned(record_type: str, source: str, fields: tuple[str, ...]) -> frozenset[str]:
    """The fields of a record type that a source (a vendor's code) may not change."""
    if not _readers:
        return frozenset()
    owners, roles = _readers[0]()
    return foreign_fields(owners.get(record_type, {}), roles.get(source, ""), fields)


def foreign_fields(
    owners: Mapping[str, str], role: str, fields: tuple[str, ...]
) -> frozenset[str]:
    """The fields whose owner is named and is not this role. Pure."""
    named = {field: owners.get(field, owners.get("*", role)) for field in fields}
    return frozenset(field for field, owner in named.items() if owner != role)
