"""The back office: reference data and accounts may be changed, everything that flows is read only.

Amounts, states and messages change by the services alone, which write events and name an actor.
What may be changed here is told to the audit log with its fields before and after; nothing is
deleted but a role, as what was posted under a rate, a period or a person must stay explained.
"""

from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group as AccountGroup
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_fsm import FSMField

from apps.canonical.models import AccountingDimension, TaxCode
from apps.console.office import office_event, said_by
from apps.core.clock import utc_now
from apps.core.principal import Principal
from apps.events.services import acting, publish_events
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
from apps.users.policies import may
from apps.users.services import revoke_role

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
OPEN_PERIODS = ("open", "reopened")
_INNER = (
    "id", "created_at", "updated_at", "content_hash", "journey_id", "version", "source_version",
    "source_system",
)  # fmt: skip
_TELLING = ("number", "code", "name", "title", "label", "type", "key", "state", "status")


def shown_fields(model: type[models.Model]) -> list[str]:
    """Columns of a model that may be shown."""
    return [
        field.name
        for field in model._meta.fields
        if field.name not in WITHHELD and not isinstance(field, models.BinaryField)
    ]


def owners_of(model: type[models.Model]) -> list[str]:
    """Foreign keys of a model to records that have a name of their own."""
    return [
        field.name
        for field in model._meta.fields
        if isinstance(field, models.ForeignKey)
        and field.related_model.__str__ is not models.Model.__str__
    ]


class Told(admin.ModelAdmin):  # type: ignore[type-arg]
    """A record whose changes are told to the audit log and that is never deleted."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: models.Model,
        form: "ModelForm[Any]",
        change: bool,  # noqa: FBT001 - Django calls it
    ) -> None:
        """Keep the record and tell what changed, in one transaction."""
        stored = type(obj)._base_manager
        known = {field.name for field in obj._meta.fields}
        names = [name for name in form.changed_data if name in known]
        with acting(principal_of(request).actor):
            old = stored.select_for_update().filter(pk=obj.pk).first() if change else None
            self.check_row(old)
            before = said_by(old, names)
            super().save_model(request, obj, form, change)
            if names:
                kept = stored.get(pk=obj.pk)
                what = "changed" if change else "added"
                _tell(request, kept, what, before, said_by(kept, names))

    def check_row(self, old: Any) -> None:
        """Raises ``PermissionDenied`` for a row that must stay as it is."""


def principal_of(request: HttpRequest) -> Principal:
    """Who is at work; the middleware knows."""
    who: Principal = getattr(request, "principal")  # noqa: B009 - HttpRequest declares no such name
    return who


def _tell(
    request: HttpRequest,
    row: models.Model,
    what: str,
    before: Mapping[str, str],
    after: Mapping[str, str],
) -> None:
    event = office_event(row, what, before, after)
    publish_events([event], actor=principal_of(request).actor, now=utc_now())


class HubAdmin(Told):
    """Lists what tells a record; a state is never typed in."""

    list_per_page = 50
    show_full_result_count = False

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """What a record is called, and whose it is."""
        telling = [name for name in shown_fields(self.model) if name in _TELLING][:6]
        return [*(telling or ["__str__"]), *owners_of(self.model)]

    def get_list_select_related(self, request: HttpRequest) -> list[str]:
        return owners_of(self.model)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return shown_fields(self.model)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """States, what the hub fills, and the key of a record that exists: another key would be
        another record."""
        return [
            field.name
            for field in self.model._meta.fields
            if isinstance(field, FSMField)
            or not field.editable
            or (obj is not None and field.primary_key)
        ]


class ReferenceAdmin(HubAdmin):
    """A list that people look things up in, so small that any column may be searched or split."""

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Every column that says something, as there are few; first what opens the record."""
        columns = [name for name in shown_fields(self.model) if name not in _INNER]
        owners = owners_of(self.model)
        return [*[c for c in columns if c not in owners], *owners]

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Texts of the record, and what its account is called."""
        texts = [
            field.name
            for field in self.model._meta.fields
            if isinstance(field, models.CharField) and not field.choices
        ]
        of_account = ["user__username", "user__person__name"]
        return [*texts, *(of_account if "user" in owners_of(self.model) else [])]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """What splits the list: legal entity, currency, state, and whatever is of few words."""
        return [
            field.name
            for field in self.model._meta.fields
            if isinstance(field, FSMField | models.BooleanField | models.ForeignKey)
            or (isinstance(field, models.CharField) and field.choices)
        ]


class PeriodForm(ModelForm):  # type: ignore[type-arg]
    """Dates of a period that take nothing away from a closed one."""

    def clean(self) -> dict[str, Any]:
        """The day of a closed period belongs to it alone: a second period would open it again."""
        values = super().clean() or {}
        entity, start, end = (values.get(name) for name in ("legal_entity", "start", "end"))
        if entity and start and end:
            same = PostingPeriod.objects.filter(legal_entity=entity, start__lt=end, end__gt=start)
            closed = same.exclude(pk=self.instance.pk).exclude(state__in=OPEN_PERIODS).first()
            if closed is not None:
                self.add_error("start", f"{closed} is {closed.state} and holds some of the days.")
        return values


class PeriodAdmin(ReferenceAdmin):
    """A period that is closed keeps its dates: what was posted into it was posted under them."""

    form = PeriodForm

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_open = obj is None or obj.state in OPEN_PERIODS
        return is_open and super().has_change_permission(request, obj)

    def check_row(self, old: Any) -> None:
        if old is not None and old.state not in OPEN_PERIODS:
            raise PermissionDenied(f"{old} was {old.state} meanwhile and stays as it is.")


class GrantAdmin(ReferenceAdmin):
    """Roles are taken away here, by the service that tells it."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(principal_of(request), "user.manage")

    def delete_model(self, request: HttpRequest, obj: RoleGrant) -> None:
        revoke_role(grant_id=obj.pk, principal=principal_of(request), now=utc_now())

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[RoleGrant]) -> None:
        for grant in queryset:
            self.delete_model(request, grant)


class ReadOnlyAdmin(HubAdmin):
    """A record that only the hub itself writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AccountAdmin(Told, UserAdmin):  # type: ignore[type-arg]
    """Accounts with their person and preferences. Who left is made inactive."""

    list_display = ("username", "person", "is_active", "is_superuser")
    list_select_related = ("person",)
    list_filter = ("is_active", "is_superuser", "grants__role", "grants__legal_entity")
    search_fields = ("username", "email", "person__name", "person__email")
    fieldsets = (
        (None, {"fields": ("username", "password", "person")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Preferences", {"fields": ("time_zone", "single_keys")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "person", "email", "password1", "password2")}),
    )

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """A new password is told like any change, without the password."""
        with acting(principal_of(request).actor):
            response = super().user_change_password(request, id, form_url)
            if request.method == "POST" and response.status_code == 302:
                account = User.objects.get(pk=id)
                _tell(request, account, "changed", {}, {"password": ""})
        return response


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
                admin.site.register(model, _form_of(model))


def _form_of(model: type[models.Model]) -> type[HubAdmin]:
    special: dict[type[models.Model], type[HubAdmin]] = {
        PostingPeriod: PeriodAdmin, RoleGrant: GrantAdmin,
    }  # fmt: skip
    return special.get(model, ReferenceAdmin if model in CHANGEABLE else ReadOnlyAdmin)


register_all()
ApiClient._meta.verbose_name_plural = "API clients"
admin.site.site_header = "Back office"
admin.site.site_title = "Q2C Hub"
admin.site.index_title = "Reference data, accounts and records"
