"""What people say about a record."""

from django.db import models

from apps.core.records import Record


class Comment(Record):
    """A remark on any record, in the order it was made."""

    subject_type = models.CharField(max_length=60)
    subject_id = models.UUIDField()
    legal_entity_id = models.UUIDField(null=True)
    author_id = models.UUIDField()
    author_label = models.CharField(max_length=120)
    body = models.TextField(max_length=4000)

    class Meta:
        ordering = ["created_at"]
        indexes = [models.Index(fields=["subject_type", "subject_id"], name="comment_subject")]
