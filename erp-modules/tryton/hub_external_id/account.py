# SPDX-License-Identifier: GPL-3.0-or-later
from trytond.pool import PoolMeta

from .external_id import ExternalIdMixin


class Move(ExternalIdMixin, metaclass=PoolMeta):
    __name__ = "account.move"


class Invoice(ExternalIdMixin, metaclass=PoolMeta):
    __name__ = "account.invoice"
