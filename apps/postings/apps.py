from django.apps import AppConfig


class PostingsConfig(AppConfig):
    name = "apps.postings"
    label = "postings"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """What this app does in a connection's lane."""
        from apps.connectors.lanes.work import register_lane_work
        from apps.postings.services.lane import Lookups, ReadBacks, Sends

        for work in (Lookups(), ReadBacks(), Sends()):
            register_lane_work(work)
