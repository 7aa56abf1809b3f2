# The product without its embedded servers: PostgreSQL and Valkey come from the environment.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --create-home --shell /usr/sbin/nologin hub
WORKDIR /srv/hub

COPY requirements/base.lock requirements/base.lock
RUN pip install --no-cache-dir --require-hashes -r requirements/base.lock

COPY manage.py ./
COPY q2c q2c
COPY apps apps
COPY templates templates
COPY static static
# Nothing is connected to: the addresses only have to be well formed. The real ones come at start.
RUN Q2C_ENV=test DATABASE_URL=postgresql:///none REDIS_URL=redis://none/0 \
    python manage.py collectstatic --no-input -v 0

USER hub
EXPOSE 8000
CMD ["python", "-m", "uvicorn", "q2c.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--ws", "websockets-sansio", "--no-access-log"]
