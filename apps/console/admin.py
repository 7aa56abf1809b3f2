"""The back office: reference data and accounts may be changed, everything that flows is read only.

Amounts, states and messages change by the services alone, which write events and name an actor.
"""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group as AccountGroup
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_fsm import FSMField

from apps.canonical.models import AccountingDimension, TaxCode
from apps.masterdata.models import FieldOwnership
from apps.organisation.models import (
    Currency,
    ExchangeRate,
    Group,
    Holiday,
    LegalEntity,
    PostingPeriod,
)
from apps.users.models import ApiClient, Person, RoleGrant, SavedView, User

CHANGEABLE: tuple[type[models.Model], ...] = (
    AccountingDimension, Currency, ExchangeRate, FieldOwnership, Group, Holiday, LegalEntity,
    Person, PostingPeriod, RoleGrant, SavedView, TaxCode,
)  # fmt: skip
WITHHELD = frozenset({"secrets", "raw", "key_hash", "password"})
HUB_APPS = (
    "approvals", "canonical", "collaboration", "connectors", "events", "exceptions", "ingestion",
    "jobs", "mappings", "masterdata", "monitoring", "organisation", "postings", "reconciliation",
    "rehearsals", "resolutions", "snapshots", "users", "workflows",
)  # fmt: skip
_TELLING = ("number", "code", "name", "title", "label", "type", "key", "state", "status")


def shown_fields(model: type[models.Model]) -> list[str]:
    """Columns of a model that may be shown."""
    return [
        field.name
        for field in model._meta.fields
        if field.name not in WITHHELD and not isinstance(field, models.BinaryField)
    ]


class HubAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Lists what tells a record; a state is never typed in."""

    list_per_page = 50
    show_full_result_count = False

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        telling = [name for name in shown_fields(self.model) if name in _TELLING]
        return [*telling[:6], "__str__"] if not telling else telling[:6]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return shown_fields(self.model)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fields = self.model._meta.fields
        return [f.name for f in fields if isinstance(f, FSMField) or not f.editable]


class ReadOnlyAdmin(HubAdmin):
    """A record that only the hub itself writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AccountAdmin(UserAdmin):  # type: ignore[type-arg]
    """Accounts with their person and preferences."""

    list_display = ("username", "person", "is_active", "is_superuser")
    list_select_related = ("person",)
    fieldsets = (
        (None, {"fields": ("username", "password", "person")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Preferences", {"fields": ("time_zone", "single_keys")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "person", "email", "password1", "password2")}),
    )


def entrance(request: HttpRequest) -> HttpResponse:
    """The console's sign-in for who is not signed in; a refusal with its reason for who is."""
    if admin.site.has_permission(request):
        return redirect("admin:index")
    if request.user.is_authenticated:
        raise PermissionDenied("Your role has no back office.")
    return redirect_to_login(request.GET.get("next") or reverse("admin:index"))


def register_all() -> None:
    """Register every table of the hub once."""
    admin.site.unregister(AccountGroup)
    admin.site.register(User, AccountAdmin)
    for label in HUB_APPS:
        for model in apps.get_app_config(label).get_models():
            if model is not User:
                form = HubAdmin if model in CHANGEABLE else ReadOnlyAdmin
                admin.site.register(model, form)


register_all()
ApiClient._meta.verbose_name_plural = "API clients"
admin.site.site_header = "Back office"
admin.site.site_title = "Q2C Hub"
admin.site.index_title = "Reference data, accounts and records"
