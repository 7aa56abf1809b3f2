"""Who owns which field."""

from apps.canonical.ownership import Rules
from apps.connectors.models import Connection
from apps.masterdata.models import FieldOwnership


def list_ownership() -> list[FieldOwnership]:
    """Every rule, the general one of a record type (field ``*``) first."""
    return list(FieldOwnership.objects.order_by("record_type", "field"))


def owner_of(record_type: str, field: str) -> str:
    """The role that owns a field: cpq, billing, erp or hub; empty when nobody is named."""
    rules = dict(
        FieldOwnership.objects.filter(record_type=record_type, field__in=[field, "*"]).values_list(
            "field", "owner"
        )
    )
    return rules.get(field) or rules.get("*", "")


def ownership_rules() -> Rules:
    """The rules as the canonical records read them, with the role of each vendor."""
    owners: dict[str, dict[str, str]] = {}
    for rule in FieldOwnership.objects.all():
        owners.setdefault(rule.record_type, {})[rule.field] = rule.owner
    # Quotes of the domain API stand for the CPQ that an installation has not connected.
    roles = {**dict(Connection.objects.values_list("vendor", "role")), "api": "cpq"}
    return owners, roles
