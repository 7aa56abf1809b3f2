"""A provisioning service: takes signed CloudEvents, grants access, reports back."""
