from django.apps import AppConfig


class ResolutionsConfig(AppConfig):
    name = "apps.resolutions"
    label = "resolutions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import apps.resolutions.subscribers  # noqa: F401 - registers the handlers
