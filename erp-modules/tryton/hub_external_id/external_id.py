# SPDX-License-Identifier: GPL-3.0-or-later
"""A reference given by the integration hub, unique in the database.

Tryton's own `reference` fields may repeat, so a client that lost an answer could not tell whether
its document exists. With this field a second create with the same reference is refused by the
database, and the client finds the first one by it.
"""

from trytond.model import Unique, fields


class ExternalIdMixin:
    __slots__ = ()

    hub_external_id = fields.Char(
        "Hub External ID", help="The integration hub's reference of this record."
    )

    @classmethod
    def __setup__(cls):
        super().__setup__()
        table = cls.__table__()
        cls._sql_constraints.append((
            "hub_external_id_unique",
            Unique(table, table.hub_external_id),
            "hub_external_id.msg_hub_external_id_unique",
        ))

    @classmethod
    def copy(cls, records, default=None):
        """Copy without the reference: it names the original."""
        default = {} if default is None else dict(default)
        default.setdefault("hub_external_id", None)
        return super().copy(records, default=default)
