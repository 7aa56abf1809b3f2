"""The least that a Django project needs to take a signed message and keep it."""

from q2c import environment as env

SECRET_KEY = "no cookie and no form is signed with this"  # noqa: S105 - nothing is
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS: list[str] = []
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "benchmarks.ingest.bare.urls"
USE_TZ = True
DATABASES = {
    "default": env.database("DATABASE_URL", pool={"min_size": 4, "max_size": 20, "timeout": 10})
}
