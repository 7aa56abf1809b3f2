from django.apps import AppConfig


class SnapshotsConfig(AppConfig):
    name = "apps.snapshots"
    label = "snapshots"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """What this app does in a connection's lane."""
        from apps.connectors.lanes.work import register_lane_work
        from apps.snapshots.services import SnapshotPages

        for work in (SnapshotPages(),):
            register_lane_work(work)
