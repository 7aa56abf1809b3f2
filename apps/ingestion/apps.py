from django.apps import AppConfig


class IngestionConfig(AppConfig):
    name = "apps.ingestion"
    label = "ingestion"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import apps.ingestion.subscribers  # noqa: F401 - registers the handlers
        from apps.connectors.lanes.work import register_lane_work
        from apps.ingestion.services.reading import Fetches, Polls

        for work in (Fetches(), Polls()):
            register_lane_work(work)
