"""Translation as data, and identity across systems."""

from django.db import models
from django.db.models import Q
from django_fsm import FSMField, transition

from apps.core.records import JsonField, Record
from apps.core.scoping import ScopedQuerySet


class Mapping(Record):
    """A named translation: a field map (document to document) or a value map (code to code)."""

    class Kind(models.TextChoices):
        FIELD = "field", "Field map"
        VALUE = "value", "Value map"

    code = models.CharField(max_length=80, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind)
    source = models.CharField(max_length=60)
    target = models.CharField(max_length=60)
    legal_entity_id = models.UUIDField(null=True)

    objects = ScopedQuerySet.as_manager()


class MappingVersion(Record):
    """One version of a mapping. Only an active version translates; content never changes after
    it was proposed."""

    mapping = models.ForeignKey(Mapping, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    state = FSMField(default="draft", protected=True)
    rules = JsonField(default=dict)
    content_hash = models.CharField(max_length=64, blank=True)
    based_on = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+")
    author_id = models.UUIDField(null=True)
    author_label = models.CharField(max_length=120)
    approval_id = models.UUIDField(null=True)
    note = models.TextField(blank=True)
    activated_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)
    rehearsal = JsonField(default=dict)
    rev = models.BigIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mapping", "number"], name="mapping_version_once"),
            models.UniqueConstraint(
                fields=["mapping"], condition=Q(state="active"), name="one_active_version"
            ),
        ]

    INITIAL_STATES = ("draft", "active")

    @transition("state", source="draft", target="proposed")
    def propose(self) -> None: ...

    @transition("state", source="proposed", target="draft")
    def withdraw(self) -> None: ...

    @transition("state", source="proposed", target="active")
    def activate(self) -> None: ...

    @transition("state", source=["active", "draft", "proposed"], target="retired")
    def retire(self) -> None: ...


class ValueMapRow(models.Model):
    """One row of a value map's version. ``scope`` is a legal entity's code, or empty for all."""

    id = models.BigAutoField(primary_key=True)
    version = models.ForeignKey(MappingVersion, on_delete=models.CASCADE, related_name="rows")
    source_value = models.CharField(max_length=120)
    target_value = models.CharField(max_length=200)
    scope = models.CharField(max_length=12, blank=True)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["source_value", "scope"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "source_value", "scope"], name="value_row_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.source_value} becomes {self.target_value}"


class Translation(Record):
    """That an input became an output through named versions: lineage, retry as-then, what-if."""

    mapping_version = models.ForeignKey(MappingVersion, on_delete=models.PROTECT)
    value_versions = JsonField(default=dict)  # mapping code → version number used
    legal_entity_id = models.UUIDField(null=True)
    subject_type = models.CharField(max_length=60)
    subject_id = models.UUIDField()
    journey_id = models.UUIDField(null=True)
    input = JsonField()
    input_hash = models.CharField(max_length=64)
    output_hash = models.CharField(max_length=64, blank=True)
    missing = JsonField(default=list)

    class Meta:
        indexes = [
            models.Index(fields=["mapping_version", "created_at"], name="translation_version"),
            models.Index(fields=["subject_id"], name="translation_subject"),
            models.Index(
                fields=["journey_id"],
                name="translation_journey",
                condition=models.Q(journey_id__isnull=False),
            ),
        ]


class ExternalReference(Record):
    """That a record of ours is this object of theirs: unique both ways for a connection."""

    connection_id = models.UUIDField()
    object_type = models.CharField(max_length=60)
    external_id = models.CharField(max_length=120)
    record_type = models.CharField(max_length=40)
    record_id = models.UUIDField()
    legal_entity_id = models.UUIDField(null=True)
    label = models.CharField(max_length=120, blank=True)

    objects = ScopedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection_id", "object_type", "external_id"], name="external_id_once"
            ),
            models.UniqueConstraint(
                fields=["connection_id", "object_type", "record_id"], name="record_once"
            ),
        ]
        indexes = [models.Index(fields=["record_id"], name="reference_record")]
