from django.apps import AppConfig


class MasterdataConfig(AppConfig):
    name = "apps.masterdata"
    label = "masterdata"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.canonical.ownership import read_rules_with
        from apps.masterdata.selectors import ownership_rules

        read_rules_with(ownership_rules)
