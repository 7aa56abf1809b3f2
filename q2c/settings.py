"""Django settings of the hub; every variable is read through ``q2c.environment``."""

import sys
from pathlib import Path

from q2c import broker
from q2c import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENT = env.choice("Q2C_ENV", ("demo", "test", "production"), "demo")
TESTING = ENVIRONMENT == "test"

env.refuse_failpoints(ENVIRONMENT)

SECRET_KEY = env.text("Q2C_SECRET_KEY", "for-tests-only-" * 4 if TESTING else None)
FIELD_KEY = env.field_key(
    "Q2C_FIELD_KEY", "q2c-tests-only-q2c-tests-only-q2c-tests-onl=" if TESTING else None
)
DEBUG = False
ALLOWED_HOSTS = env.text("Q2C_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1],testserver").split(",")
CSRF_TRUSTED_ORIGINS = [
    o for o in env.text("Q2C_TRUSTED_ORIGINS", "http://localhost").split(",") if o
]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "django_filters",
    "django_htmx",
    "template_partials",
    "apps.core",
    "apps.events",
    "apps.jobs",
    "apps.organisation",
    "apps.users",
    "apps.approvals",
    "apps.collaboration",
    "apps.exceptions",
    "apps.canonical",
    "apps.connectors",
    "apps.mappings",
    "apps.snapshots",
    "apps.masterdata",
    "apps.postings",
    "apps.workflows",
    "apps.ingestion",
    "apps.reconciliation",
    "apps.rehearsals",
    "apps.resolutions",
    "apps.monitoring",
    "apps.api",
    "apps.console",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "apps.console.middleware.ContentSecurityPolicyMiddleware",
    "apps.console.middleware.NulMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.console.middleware.PrincipalMiddleware",
]

ROOT_URLCONF = "q2c.urls"
ASGI_APPLICATION = "q2c.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.console.context.console",
            ],
        },
    }
]

# The web process alone keeps a pool: a worker that forks would share it with its children.
# The webhook door's threads hold 8 of its connections; pages wait up to 10 s for one.
POOL = {
    "min_size": 4,
    "max_size": env.number("Q2C_POOL_SIZE", 20, least=12),
    "timeout": 10,
}
DATABASES = {
    "default": env.database("DATABASE_URL", pool=POOL if "q2c.asgi" in sys.modules else None)
}
DATABASES["default"]["TEST"] = {"NAME": "test_q2c"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = ["apps.users.backends.LimitedModelBackend"]
PASSWORD_HASHERS = (
    ["django.contrib.auth.hashers.MD5PasswordHasher"]
    if TESTING
    else ["django.contrib.auth.hashers.Argon2PasswordHasher"]
)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/sign-in/"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
USE_THOUSAND_SEPARATOR = False

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / ".run" / "static"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = ENVIRONMENT == "demo"

# With another broker Redis is for live pages alone; without it they look every half minute.
REDIS_URL = env.redis_url("REDIS_URL", needed=not env.given("BROKER_URL"))
CHANNEL_LAYERS = {"default": broker.channel_layer(REDIS_URL)}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.api.problems.problem_response",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {"TITLE": "Q2C Hub domain API", "VERSION": "1.0.0"}

CELERY_BROKER_URL = env.broker_url("BROKER_URL", REDIS_URL)
CELERY_BROKER_TRANSPORT_OPTIONS = broker.transport_options(CELERY_BROKER_URL)
CELERY_VISIBILITY_TIMEOUT = 120
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_DEFAULT_QUEUE_TYPE = CELERY_TASK_CREATE_MISSING_QUEUE_TYPE = (
    "classic" if broker.is_redis(CELERY_BROKER_URL) else "quorum"
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 90  # below the visibility timeout, above any call's deadline
CELERY_TASK_SOFT_TIME_LIMIT = 75
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 400_000
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 20
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = ENVIRONMENT == "production"
SECURE_HSTS_SECONDS = 31_536_000 if ENVIRONMENT == "production" else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENVIRONMENT == "production"
# Believed only where a proxy is declared: anyone else could write the header (docs/operations.md).
SECURE_PROXY_SSL_HEADER = env.proxy_header("Q2C_PROXY_SSL_HEADER")
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": sys.stderr}
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"httpx": {"level": "WARNING"}, "httpcore": {"level": "WARNING"}},
}
