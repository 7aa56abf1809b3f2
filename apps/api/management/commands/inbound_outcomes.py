"""What became of every message that was accepted, as JSON for scripts that hold it against the
platforms' own records."""

import json
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

# One row a message and event; a message may carry nothing that the hub acts on.
_OUTCOMES = """
SELECT c.code || ':' || s.message_id,
       coalesce(e.state, CASE WHEN d.split_at IS NULL THEN 'received' ELSE 'ignored' END),
       (SELECT count(*) FROM exceptions_exceptioncase x WHERE x.subject_id = e.id
         AND x.state IN ('open', 'assigned', 'snoozed', 'reopened'))
FROM ingestion_seenmessage s
JOIN connectors_connection c ON c.id = s.connection_id
JOIN ingestion_delivery d ON d.id = s.delivery_id
LEFT JOIN ingestion_inboundevent e ON e.delivery_id = d.id
"""


class Command(BaseCommand):
    help = "Print every accepted message's id with the states and open cases of its events."

    def handle(self, *args: Any, **options: Any) -> None:
        found: dict[str, list[tuple[str, int]]] = {}
        with connection.cursor() as cursor:
            cursor.execute(_OUTCOMES)
            for message, state, cases in cursor.fetchall():
                found.setdefault(message, []).append((state, cases))
        self.stdout.write(json.dumps(found))
