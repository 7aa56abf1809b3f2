"""``/webhooks/<connection>/`` and, for sources that can only keep an address, ``…/<token>/``."""

from django.urls import re_path

from apps.api.webhooks import receive

urlpatterns = [
    re_path(
        r"^(?P<code>[A-Za-z0-9_-]{1,60})(?:/(?P<token>[A-Za-z0-9_-]{1,128}))?/?$",
        receive,
        name="webhook",
    ),
]
