#!/usr/bin/env python
"""Django's command line for the hub."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")
    import q2c.celery  # noqa: F401 - makes the hub's Celery app the current one

    execute_from_command_line(sys.argv)
