"""``/webhooks/<connection>/`` and, for sources that can only keep an address, ``…/<token>/``."""

from django.urls import re_path

from apps.api.webhooks import receive

PREFIX = "/webhooks/"
ADDRESS = r"^(?P<code>[A-Za-z0-9_-]{1,60})(?:/(?P<token>[A-Za-z0-9_-]{1,128}))?/?$"

urlpatterns = [re_path(ADDRESS, receive, name="webhook")]
