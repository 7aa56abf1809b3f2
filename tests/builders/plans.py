"""What statements read, by the database's own count."""

from collections.abc import Callable

from django.db import connection


def blocks_read(act: Callable[[], object]) -> int:
    """Blocks that the statements of ``act`` visit when they are run again. Unlike a time it is
    the same on any machine, and it shows a scan where a look-up was meant."""
    said = []

    def listen(execute, sql, params, many, context):
        said.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(listen):
        act()
    blocks = 0
    with connection.cursor() as cursor:
        for sql, params in said:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
            [[[explained]]] = cursor.fetchall()
            plan = explained["Plan"]
            blocks += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return blocks
