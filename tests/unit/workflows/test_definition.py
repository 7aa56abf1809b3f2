"""A definition that cannot run is refused when it is declared."""

import pytest

from apps.workflows.definition import Definition, Done, StepForm


def _definition(*steps):
    return Definition("d", 1, "order", "D", steps, load=lambda ids: {})


def test_a_step_needs_only_steps_before_it():
    with pytest.raises(ValueError, match="needs"):
        _definition(StepForm("b", lambda f: Done(), ("a",)), StepForm("a", lambda f: Done()))


def test_step_names_are_unique():
    with pytest.raises(ValueError, match="two steps"):
        _definition(StepForm("a", lambda f: Done()), StepForm("a", lambda f: Done()))
