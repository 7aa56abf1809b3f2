"""Whether broker and settings agree. What does not would lose messages or run work twice."""

import logging
from typing import Any

import redis
from django.core.exceptions import ImproperlyConfigured

logger = logging.getLogger(__name__)

REDIS_OPTIONS = {
    "visibility_timeout": 120,
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 15,
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
}
AMQP_OPTIONS = {
    "confirm_publish": True,
    "connect_timeout": 3,
    "read_timeout": 5,
    "write_timeout": 5,
}


def is_redis(url: str) -> bool:
    """Whether a broker's address is of Redis or Valkey; the other kind is RabbitMQ."""
    return url.startswith(("redis://", "rediss://"))


def transport_options(url: str) -> dict[str, Any]:
    """Celery's transport options for the kind of broker."""
    return dict(REDIS_OPTIONS if is_redis(url) else AMQP_OPTIONS)


def channel_layer(redis_url: str) -> dict[str, Any]:
    """Where live pages hear from; without Redis each process hears only itself."""
    if not redis_url:
        return {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    # Above the 5 s for which the layer's readers block; a frozen server must not hold a page.
    host = {"address": redis_url, "socket_timeout": 8, "socket_connect_timeout": 2}
    return {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [host], "prefix": "q2c-live"},
    }


def refuse_problems(conf: Any) -> None:
    """Raise ``ImproperlyConfigured`` with every problem; a broker that is away is no problem."""
    problems = [*settings_problems(conf), *broker_problems(conf.broker_url)]
    if problems:
        raise ImproperlyConfigured("\n".join(problems))


def settings_problems(conf: Any) -> list[str]:
    """Settings of Celery that do not fit each other, in plain words."""
    problems = []
    if not 0 < conf.task_soft_time_limit < conf.task_time_limit:
        problems.append("task_soft_time_limit must be below task_time_limit.")
    if conf.worker_soft_shutdown_timeout > 20:
        problems.append("worker_soft_shutdown_timeout must be at most 20 s.")
    if conf.result_backend and conf.result_backend != "disabled://":
        problems.append("A result backend is set. Remove it: results are rows in PostgreSQL.")
    if is_redis(conf.broker_url):
        visible = conf.broker_transport_options.get("visibility_timeout", 3600)
        if visible <= conf.task_time_limit:
            problems.append(
                f"The broker's visibility_timeout ({visible} s) must be longer than "
                f"task_time_limit ({conf.task_time_limit} s), or a task runs twice at once."
            )
    return problems


def broker_problems(url: str) -> list[str]:
    """What is wrong with a Redis that answers: one that evicts keys drops bells unseen."""
    if not is_redis(url):
        return []
    try:
        with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
            policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "noeviction")
    except redis.exceptions.ResponseError as error:
        logger.warning("cannot read the broker's maxmemory-policy, check it by hand: %s", error)
        return []
    except (redis.RedisError, OSError) as error:
        logger.warning("the broker does not answer, work goes on at reduced speed: %s", error)
        return []
    if policy == "noeviction":
        return []
    return [
        f"The broker's maxmemory-policy is {policy}: it would drop messages when memory is short. "
        f"Set it: CONFIG SET maxmemory-policy noeviction, and in the server's file."
    ]
