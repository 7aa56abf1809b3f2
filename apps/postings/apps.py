from django.apps import AppConfig


class PostingsConfig(AppConfig):
    name = "apps.postings"
    label = "postings"
    default_auto_field = "django.db.models.BigAutoField"
