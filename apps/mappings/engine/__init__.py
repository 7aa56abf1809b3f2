"""Translation as data: a field map is one expression, run without clock, query or network.

An expression is a path (bare text) or an object with one operator, for example::

    {"object": {"currency": {"lower": "currency"},
                "items": {"each": {"in": "lines", "do": {"object": {"quantity": "quantity"}}}}}}

``optional`` beside ``path``, ``each`` or ``ref`` makes absence silent. docs/canonical-model.md
lists the operators.
"""

from apps.mappings.engine.run import Result, references_wanted, tables_used, translate_document
from apps.mappings.engine.validate import RuleError, validate_rules
from apps.mappings.engine.values import References, ValueTable

__all__ = [
    "References",
    "Result",
    "RuleError",
    "ValueTable",
    "references_wanted",
    "tables_used",
    "translate_document",
    "validate_rules",
]
