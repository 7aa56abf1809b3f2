"""Which proxy is believed, and how a wrong setting is told."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from apps.api import webhook_app
from q2c import environment

NAME = "Q2C_PROXY_SSL_HEADER"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, None),
        ("", None),
        ("X-Forwarded-Proto: https", ("HTTP_X_FORWARDED_PROTO", "https")),
        ("front-end-https:on", ("HTTP_FRONT_END_HTTPS", "on")),
    ],
)
def test_no_proxy_is_believed_unless_declared(monkeypatch, value, found):
    monkeypatch.delenv(NAME, raising=False)
    if value is not None:
        monkeypatch.setenv(NAME, value)
    assert environment.proxy_header(NAME) == found


@pytest.mark.parametrize("value", ["1", "true", "X-Forwarded-Proto", ": https", "X_F: a b"])
def test_a_wrong_declaration_names_the_variable_and_the_remedy(monkeypatch, value):
    monkeypatch.setenv(NAME, value)
    with pytest.raises(ImproperlyConfigured) as refused:
        environment.proxy_header(NAME)
    assert NAME in str(refused.value)
    assert "X-Forwarded-Proto: https" in str(refused.value)


def scope(scheme="http", said=None):
    headers = [(b"x-forwarded-proto", said.encode())] if said is not None else []
    return {"scheme": scheme, "headers": headers}


@pytest.mark.parametrize(
    ("declared", "asked", "secure"),
    [
        (None, scope(said="https"), False),
        (None, scope("https", said="http"), True),
        (("HTTP_X_FORWARDED_PROTO", "https"), scope(said="https"), True),
        (("HTTP_X_FORWARDED_PROTO", "https"), scope(said="https, http"), True),
        (("HTTP_X_FORWARDED_PROTO", "https"), scope("https", said="http"), False),
        (("HTTP_X_FORWARDED_PROTO", "https"), scope(), False),
    ],
)
def test_the_door_believes_the_declared_header_alone(settings, declared, asked, secure):
    settings.SECURE_PROXY_SSL_HEADER = declared
    assert webhook_app._is_secure(asked) is secure
