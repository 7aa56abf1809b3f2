"""Money is exact: no column may keep an amount as a binary fraction (REL-43)."""

from django.apps import apps
from django.db import models

# What is measured, not owed: calls a second that an administrator allows.
FLOATS = {("connectors.Connection", "calls_per_second")}


def test_no_column_is_a_float_but_these():
    found = {
        (model._meta.label, field.name)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.FloatField)
    }
    assert found == FLOATS
