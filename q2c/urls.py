"""Where each public door is."""

from django.contrib import admin
from django.urls import include, path

from apps.console.admin import entrance

urlpatterns = [
    path("backoffice/login/", entrance),
    path("backoffice/", admin.site.urls),
    path("webhooks/", include("apps.api.webhook_urls")),
    path("api/v1/", include("apps.api.urls")),
    path("", include("apps.console.urls")),
]
