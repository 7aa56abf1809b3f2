"""The bare view for the same web server."""

import os

from django.core.asgi import get_asgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.ingest.bare.settings"

application = get_asgi_application()
