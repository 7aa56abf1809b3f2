"""The web process: the webhook door, other HTTP by Django, the live socket by Channels."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from typing import Any  # noqa: E402

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

import q2c.celery  # noqa: E402, F401 - makes the hub's Celery app the current one
from apps.api.webhook_app import WebhookDoor  # noqa: E402
from apps.api.webhook_urls import PREFIX  # noqa: E402
from apps.console.routing import websocket_urlpatterns  # noqa: E402

webhook_door = WebhookDoor()


async def http_application(scope: Any, receive: Any, send: Any) -> None:
    """Messages of platforms go past everything that pages need."""
    application = webhook_door if scope["path"].startswith(PREFIX) else django_application
    await application(scope, receive, send)


application = ProtocolTypeRouter(
    {
        "http": http_application,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
        ),
    }
)
