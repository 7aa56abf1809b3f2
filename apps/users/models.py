"""People, their accounts, roles by legal entity, API clients and saved views."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from apps.core.ids import uuid7
from apps.core.records import JsonField, Record
from apps.organisation.models import LegalEntity


class Role(models.TextChoices):
    OPERATIONS = "operations", "Operations"
    FINANCE = "finance", "Finance"
    ADMIN = "admin", "Admin"


class Person(Record):
    """A human being. Two accounts of one person cannot approve each other's work."""

    name = models.CharField(max_length=120)
    email = models.EmailField(unique=True)

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """An account of a person, with the preferences of the console."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="accounts")
    time_zone = models.CharField(max_length=40, default="UTC")
    single_keys = models.BooleanField(default=True)
    last_visit_at = models.DateTimeField(null=True, blank=True)

    REQUIRED_FIELDS = ["email", "person_id"]


class RoleGrant(Record):
    """A role of an account in one legal entity, or in all when the entity is empty."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="grants")
    role = models.CharField(max_length=20, choices=Role)
    legal_entity = models.ForeignKey(LegalEntity, on_delete=models.CASCADE, null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role", "legal_entity"], name="grant_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.user}: {Role(self.role).label} in {self.legal_entity or 'all entities'}"


class ApiClient(Record):
    """A program that calls the domain API with a key; only the key's hash is kept."""

    name = models.CharField(max_length=80, unique=True)
    key_prefix = models.CharField(max_length=12, unique=True)
    key_hash = models.CharField(max_length=64)
    scopes = JsonField(default=list)
    legal_entity = models.ForeignKey(LegalEntity, on_delete=models.CASCADE, null=True, blank=True)
    is_active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.name


class SavedView(Record):
    """A named query string of a list, a person's own or shared."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True)
    page = models.CharField(max_length=40)
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=500)
    position = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.page}: {self.name}"


class SignInFailure(models.Model):
    """A wrong password, counted against its name and its address for a quarter of an hour."""

    id = models.BigAutoField(primary_key=True)
    username = models.CharField(max_length=150, db_index=True)
    address = models.CharField(max_length=45, db_index=True)
    failed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.username} from {self.address}"
