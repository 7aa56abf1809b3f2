"""Forms of the console: each names the field that is wrong and what to do."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

SHORTEST_REASON = 10
RESOLUTIONS = (
    ("fixed_at_source", "Fixed in the source system"),
    ("duplicate", "Duplicate of another case"),
    ("not_an_error", "Not an error"),
)
SNOOZES = (
    ("1h", "1 hour"),
    ("4h", "4 hours"),
    ("1d", "Until tomorrow 09:00"),
    ("7d", "1 week"),
)


class SuggestInput(forms.TextInput):
    """A text field that offers known values; another may be typed."""

    def __init__(self, options: Sequence[str]) -> None:
        super().__init__({"class": "input-code", "autocomplete": "off", "spellcheck": "false"})
        self.options = tuple(options)

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        offered = f"known-{name}"
        field = super().render(name, value, {**(attrs or {}), "list": offered}, renderer)
        options = format_html_join(
            "", '<option value="{}"></option>', ((o,) for o in self.options)
        )
        return format_html('{}<datalist id="{}">{}</datalist>', field, offered, options)


class GuardedForm(forms.Form):
    """A form that carries the version of the record the person looked at."""

    rev = forms.IntegerField(min_value=0, widget=forms.HiddenInput)


class ReasonForm(GuardedForm):
    """An action that needs a reason somebody can understand next year."""

    reason = forms.CharField(
        label="Reason",
        min_length=SHORTEST_REASON,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="At least 10 characters; it stays with the record.",
        error_messages={
            "required": "Say why, in at least 10 characters.",
            "min_length": "Say why, in at least 10 characters.",
        },
    )


class ResolveForm(ReasonForm):
    """Close a case by hand."""

    resolution = forms.ChoiceField(label="What was it?", choices=RESOLUTIONS)
    field_order = ["rev", "resolution", "reason"]


class AssignForm(GuardedForm):
    """Give a case to a person."""

    owner = forms.ChoiceField(label="Owner")

    def __init__(self, *args: Any, people: list[tuple[uuid.UUID, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(pk), label) for pk, label in people]
        self.fields["owner"].choices = [*choices, ("", "Nobody")]  # type: ignore[attr-defined]
        self.fields["owner"].required = False


class SnoozeForm(GuardedForm):
    """Hide a case from the queues until a moment."""

    until = forms.ChoiceField(label="Until", choices=SNOOZES)

    def moment(self, now: dt.datetime) -> dt.datetime:
        """The chosen moment, aware; ``tomorrow`` is in the person's zone."""
        chosen = self.cleaned_data["until"]
        if chosen == "1d":
            local = timezone.localtime(now) + dt.timedelta(days=1)
            return local.replace(hour=9, minute=0, second=0, microsecond=0)
        return now + {"1h": dt.timedelta(hours=1), "4h": dt.timedelta(hours=4)}.get(
            chosen, dt.timedelta(days=7)
        )


class CommentForm(forms.Form):
    """A remark on a record."""

    body = forms.CharField(max_length=4000, widget=forms.Textarea)


class ProfileForm(forms.Form):
    """What a person sets for themselves."""

    time_zone = forms.CharField(max_length=40)
    single_keys = forms.BooleanField(required=False, label="Single-key shortcuts")

    def clean_time_zone(self) -> str:
        zone = str(self.cleaned_data["time_zone"])
        if zone not in timezone_names():
            raise forms.ValidationError("Choose a time zone of the list, such as Europe/Berlin.")
        return zone


def timezone_names() -> list[str]:
    """IANA names that this machine knows, without the legacy ones."""
    return sorted(name for name in available_timezones() if "/" in name or name == "UTC")


class SavedViewForm(forms.Form):
    """A name for the present filters of a list."""

    page = forms.ChoiceField(choices=[("exceptions", "Exceptions")])
    name = forms.CharField(max_length=60)
    query = forms.CharField(max_length=500, required=False)


class WindowForm(forms.Form):
    """A maintenance window; without a date it is daily."""

    on_date = forms.DateField(required=False)
    starts = forms.TimeField()
    ends = forms.TimeField()
    time_zone = forms.CharField(max_length=60)
    reason = forms.CharField(min_length=3, max_length=200)
