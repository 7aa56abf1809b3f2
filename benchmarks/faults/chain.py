"""The hash chain over events, computed anew with the product's own code: ``python -m …chain``.

A process of its own, because it needs Django. Prints one JSON list a link.
"""

import json
import os
import sys

import django

PAGE = 2000


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")
    django.setup()
    from apps.events.models import Event, Seal
    from apps.events.services import link_hash

    after = 0
    while page := list(Seal.objects.filter(position__gt=after).order_by("position")[:PAGE]):
        events = Event.objects.in_bulk([seal.event_id for seal in page])
        for seal in page:
            event = events.get(seal.event_id)
            recomputed = link_hash(seal.previous_hash, event) if event else "no event"
            line = [seal.event_id, seal.previous_hash, seal.hash, recomputed]
            sys.stdout.write(json.dumps(line) + "\n")
        after = page[-1].position


if __name__ == "__main__":
    main()
