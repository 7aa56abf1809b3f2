"""The definitions that run, every version that a run may still be on, and named actions."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apps.core.principal import Actor
from apps.workflows.definition import Definition
from apps.workflows.fingerprint import fingerprint_of

# An action takes the subject ids (with each step's params) of this moment and returns outputs.
Action = Callable[
    [Sequence[tuple[str, Mapping[str, Any]]], Actor, dt.datetime], Sequence[Mapping[str, Any]]
]

_definitions: dict[tuple[str, int], Definition] = {}
_fingerprints: dict[tuple[str, int], str] = {}
_actions: dict[str, Action] = {}


def define(definition: Definition) -> Definition:
    """Register one version of a workflow."""
    key = (definition.name, definition.version)
    _definitions[key] = definition
    _fingerprints[key] = fingerprint_of(definition)
    return definition


def forget(name: str, version: int) -> None:
    """Take a version out of this release."""
    _definitions.pop((name, version), None)
    _fingerprints.pop((name, version), None)


def definition_of(name: str, version: int) -> Definition:
    """The definition a run was started on. Raises ``LookupError`` when this code has it no more:
    such a run is held, not run on another version."""
    try:
        return _definitions[name, version]
    except KeyError as error:
        raise LookupError(f"no workflow {name} version {version} in this release") from error


def fingerprint(name: str, version: int) -> str:
    """The fingerprint of a version, empty when this release has it no more."""
    return _fingerprints.get((name, version), "")


def newest(name: str) -> Definition:
    """The version that new runs start on."""
    return _definitions[name, max(v for n, v in _definitions if n == name)]


def all_definitions() -> tuple[Definition, ...]:
    return tuple(_definitions[key] for key in sorted(_definitions))


def action(name: str) -> Callable[[Action], Action]:
    """Register a change of our own records that steps may perform."""

    def register(function: Action) -> Action:
        _actions[name] = function
        return function

    return register


def action_of(name: str) -> Action:
    return _actions[name]
