"""Broker and settings that do not fit each other are refused in plain words."""

from types import SimpleNamespace

import pytest
from django.core.exceptions import ImproperlyConfigured

from q2c import broker, environment
from q2c.celery import app


def conf(**changes):
    values = {
        "broker_url": "redis://127.0.0.1:1/0",
        "broker_transport_options": {"visibility_timeout": 120},
        "task_time_limit": 90,
        "task_soft_time_limit": 75,
        "worker_soft_shutdown_timeout": 20,
        "result_backend": None,
    }
    return SimpleNamespace(**(values | changes))


def test_the_shipped_settings_agree():
    assert broker.settings_problems(app.conf) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"task_soft_time_limit": 90}, "task_soft_time_limit"),
        ({"broker_transport_options": {"visibility_timeout": 90}}, "visibility_timeout"),
        ({"worker_soft_shutdown_timeout": 21}, "worker_soft_shutdown_timeout"),
        ({"result_backend": "redis://127.0.0.1:1/1"}, "result backend"),
    ],
)
def test_what_does_not_fit_is_named(changes, word):
    (problem,) = broker.settings_problems(conf(**changes))
    assert word in problem


def test_rabbitmq_has_no_visibility_timeout():
    rabbit = conf(broker_url="amqp://guest@127.0.0.1//", broker_transport_options={})
    assert broker.settings_problems(rabbit) == []


def test_a_worker_that_may_not_start_says_every_reason():
    wrong = conf(task_soft_time_limit=95, worker_soft_shutdown_timeout=60)
    with pytest.raises(ImproperlyConfigured, match=r"(?s)task_soft_time_limit.*soft_shutdown"):
        broker.refuse_problems(wrong)


def test_a_broker_that_is_away_is_no_problem():
    assert broker.broker_problems("redis://127.0.0.1:1/0") == []


def test_one_setting_chooses_the_broker(monkeypatch):
    assert broker.transport_options("redis://h/0")["visibility_timeout"] == 120
    assert broker.transport_options("amqp://h//")["confirm_publish"] is True
    monkeypatch.setenv("BROKER_URL", "amqp://guest@h//")
    assert environment.broker_url("BROKER_URL", "redis://h/0") == "amqp://guest@h//"
    monkeypatch.setenv("BROKER_URL", "")
    assert environment.broker_url("BROKER_URL", "redis://h/0") == "redis://h/0"
    monkeypatch.setenv("BROKER_URL", "kafka://h")
    with pytest.raises(ImproperlyConfigured, match="BROKER_URL is kafka"):
        environment.broker_url("BROKER_URL", "redis://h/0")


def test_redis_is_needed_unless_another_broker_is_named(monkeypatch):
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert environment.redis_url("REDIS_URL", needed=False) == ""
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL is not set"):
        environment.redis_url("REDIS_URL")
    assert broker.channel_layer("")["BACKEND"].endswith("InMemoryChannelLayer")
    assert broker.channel_layer("redis://h/0")["CONFIG"]["hosts"][0]["socket_timeout"] == 8
