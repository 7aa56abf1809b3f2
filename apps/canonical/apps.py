from django.apps import AppConfig


class CanonicalConfig(AppConfig):
    name = "apps.canonical"
    label = "canonical"
    default_auto_field = "django.db.models.BigAutoField"
