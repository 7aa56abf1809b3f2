# SPDX-License-Identifier: GPL-3.0-or-later
from trytond.pool import PoolMeta

from .external_id import ExternalIdMixin


class Party(ExternalIdMixin, metaclass=PoolMeta):
    __name__ = "party.party"
