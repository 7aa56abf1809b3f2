"""Remedies of a case as offers with evidence, and their forms."""

from typing import Any

from django import forms
from django.urls import reverse

from apps.console.forms import GuardedForm, SuggestInput
from apps.console.sections.exception_detail import Offers, RemedyOffer, Waits
from apps.core.principal import Principal
from apps.exceptions.models import ExceptionCase
from apps.resolutions.selectors import remedies_for, waiting_for
from apps.resolutions.types import DISCARD, EDIT, RETRY, Field, Remedy, Waiting


def offers_of(case: ExceptionCase, principal: Principal) -> Offers:
    """What this person may do about the case, best first; giving up is never suggested."""
    remedies = tuple(
        RemedyOffer(
            remedy.title,
            remedy.note,
            reverse("exception-remedy", args=[case.reference, remedy.code]),
            f"{remedy.held} of {remedy.tried} like this" if remedy.tried else "",
            remedy.code,
        )
        for remedy in remedies_for(case, principal)
        if not remedy.blocked
    )
    by_code = {offer.code: offer for offer in remedies}
    waiting = waiting_for(case)
    return Offers(
        remedies,
        next((offer for offer in remedies if offer.code != DISCARD), None),
        RETRY in by_code,
        by_code[EDIT].url if EDIT in by_code else "",
        _waits(waiting) if waiting else None,
    )


def _waits(waiting: Waiting) -> Waits:
    url = reverse("approval", args=[waiting.approval])
    return Waits(waiting.approval, url, waiting.asked_by)


class RemedyForm(GuardedForm):
    """The inputs that a remedy asks for; ``url`` gives them anew for another choice."""

    def __init__(self, *args: Any, remedy: Remedy, url: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in remedy.fields:
            self.fields[field.name] = _form_field(field)
            if field.steers:
                anew = {"hx-get": url, "hx-trigger": "change", "hx-target": "#case-dialog"}
                self.fields[field.name].widget.attrs.update(anew)

    def params(self) -> dict[str, Any]:
        """What the person filled in."""
        return {name: value for name, value in self.cleaned_data.items() if name != "rev"}


def _form_field(field: Field) -> forms.Field:
    common: dict[str, Any] = {
        "label": field.label,
        "initial": field.value,
        "help_text": field.help,
        "required": field.required,
    }
    if field.kind == "select":
        choices = [(choice.value, choice.label) for choice in field.choices]
        return forms.ChoiceField(choices=choices, **common)
    if field.kind == "check":
        return forms.BooleanField(**common)
    return forms.CharField(widget=_widget(field), strip=field.kind != "json", **common)


def _widget(field: Field) -> forms.Widget:
    if field.kind == "json":
        attributes = {"rows": 18, "class": "input-code", "spellcheck": "false"}
        return forms.Textarea(attrs=attributes)
    if field.kind == "textarea":
        return forms.Textarea(attrs={"rows": 3})
    return SuggestInput(field.options) if field.options else forms.TextInput()
