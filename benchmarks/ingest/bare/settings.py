"""The least that a Django project needs to take a signed message and keep it."""

from q2c import environment as env

SECRET_KEY = "no cookie and no form is signed with this"  # noqa: S105 - nothing is
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS: list[str] = []
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "benchmarks.ingest.bare.urls"
USE_TZ = True
_database = env.database("DATABASE_URL", pool={"min_size": 4, "max_size": 20, "timeout": 10})
# What costs a round trip or a plan each time is left out: no look at the connection when it leaves
# the pool, and values that are bound by the server, so that the one statement is prepared.
_database["CONN_HEALTH_CHECKS"] = False
_database["OPTIONS"]["server_side_binding"] = True
DATABASES = {"default": _database}
