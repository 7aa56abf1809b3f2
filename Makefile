# Two commands matter: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
PY     := .venv/bin/python
STACK  := $(PY) -m q2c.stack
TESTS  ?= tests
TIER   ?= ci
SEED   ?= 1

# A dozen processes start from the same sources: compiling them each time would cost 1.5 s a process.
unexport PYTHONDONTWRITEBYTECODE

# Checks and unit tests read the settings but open no connection.
OFFLINE := Q2C_ENV=test DATABASE_URL=postgresql:///q2c REDIS_URL=redis://127.0.0.1:1/0
UV      := $(shell sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements/dev.lock)

.DEFAULT_GOAL := help
.PHONY: help env demo demo-reset test test-e2e test-fast test-platform flow soak faults fault-places check lint types contracts \
        templates migrations erp screenshots lock bench-ingest bench-poison bench-flow bench-engine \
        bench-data bench-growth

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "  make %-13s %s\n", $$1, $$2}'

demo: .venv/.ok ## Start everything with the demo scenario; prints the console's address
	@exec $(STACK) demo

demo-reset: .venv/.ok ## Delete the demo's data, so that the next `make demo` starts over
	@exec $(STACK) reset

test: .venv/.ok ## Run all tests with embedded PostgreSQL and Valkey (TESTS=path for some)
	@Q2C_ENV=test $(STACK) exec --owner -- $(PY) -m pytest -q -n 2 --dist loadgroup -m "not e2e and not platform and not campaign" $(TESTS)
	@if [ "$(TESTS)" = tests ]; then $(MAKE) --no-print-directory test-e2e; fi

# The browser's driver keeps an event loop in its process, so these run in one of their own.
test-e2e: .venv/.ok ## Run the browser tests
	@Q2C_ENV=test exec $(STACK) exec --owner -- $(PY) -m pytest -q -m e2e tests/e2e

test-platform: .venv/.ok ## Hurt, freeze and kill the hub's processes and servers (minutes)
	@Q2C_ENV=test exec $(STACK) --dir .run-platform exec --owner -- \
	  $(PY) -m pytest -q -s -m platform tests/platform

test-fast: .venv/.ok ## Run the unit tests: no database, seconds
	@$(OFFLINE) exec $(PY) -m pytest -q tests/unit

flow: .venv/.ok ## Play the scenario headless on a fresh stack and check the invariants
	@exec $(STACK) flow

soak: .venv/.ok ## Memory under steady traffic for MINUTES (30)
	@exec nice $(STACK) --dir .run-soak product -- $(PY) -m benchmarks.soak

bench-ingest: .venv/.ok ## Measure the webhook door beside a bare Django view (QUICK=1: roughly)
	@exec $(STACK) --dir .run-bench-ingest exec --durable -- $(PY) -m benchmarks.ingest

bench-poison: .venv/.ok ## Measure what failing messages cost their neighbours (QUICK=1: roughly)
	@exec $(STACK) --dir .run-bench-ingest exec --durable -- $(PY) -m benchmarks.poison

bench-flow: .venv/.ok ## Measure what an amendment costs beside the bare calls (QUICK=1: roughly)
	@exec $(STACK) --dir .run-bench-flow product -- $(PY) -m benchmarks.flow

# The sales that are multiplied are played once; the databases stay until .run-bench-data is deleted.
BENCH_DATA := $(STACK) --dir .run-bench-data/story
.run-bench-data/story/played: | .venv/.ok
	@$(BENCH_DATA) product -- $(PY) -m benchmarks.data.story && touch $@

bench-data: .run-bench-data/story/played ## Make databases with 10,000 and TRANSACTIONS (1,000,000) transactions
	@exec $(BENCH_DATA) exec --durable -- $(PY) -m benchmarks.data

bench-growth: .run-bench-data/story/played ## Measure a transaction beside 10,000 and beside TRANSACTIONS others
	@exec $(BENCH_DATA) exec --durable -- $(PY) -m benchmarks.growth

# The first layer tries every named place one by one; the second breaks real processes by a seed.
fault-places: .venv/.ok ## The first layer of faults alone: every named place, in one process
	@Q2C_ENV=test $(STACK) exec --owner -- $(PY) -m benchmarks.faults.layer_a --tier $(TIER) --seed $(SEED)

faults: fault-places ## Break everything on purpose, check the books (TIER=ci|milestone|release SEED=n)
	@exec $(PY) -m benchmarks.faults --tier $(TIER) --seed $(SEED)

check: lint types contracts templates migrations test ## Everything that must hold before a change goes in

lint: .venv/.ok
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: .venv/.ok
	$(OFFLINE) $(PY) -m mypy .

contracts: .venv/.ok
	$(OFFLINE) .venv/bin/lint-imports

templates: .venv/.ok
	@if [ -d templates ]; then $(PY) -m djlint templates --check && $(PY) -m djlint templates --lint; fi

migrations: .venv/.ok
	Q2C_ENV=test $(STACK) exec --owner -- $(PY) manage.py makemigrations --check --dry-run

erp: .venv/.ok ## Run the Tryton server that the ERP tests use, in the foreground
	@exec $(PY) -m q2c.stack.tryton

screenshots: .venv/.ok ## Take the README's pictures from a running demo
	$(PY) -m scenario screenshots

# QUICK=1 is the short form: fewer runs, no sweep, one round.
bench-engine: .venv/.ok .venv-bench/.ok ## Durable steps a second beside DBOS Transact and a Celery chain (QUICK=1: short)
	@Q2C_ENV=test exec $(STACK) --dir .run-bench exec --durable -- $(PY) -m benchmarks.engine $(if $(QUICK),--quick)

env: .venv/.ok ## Make the environment .venv from the hashed lock file

lock: ## Resolve the requirements' .in files into the hashed lock files
	@for name in requirements/base requirements/dev requirements/bench erp-modules/tryton/requirements; do \
	  echo "$$name.lock"; \
	  $(PY) -m uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-annotate \
	    --custom-compile-command "make lock" $$name.in -o $$name.lock || exit 1; \
	done

# uv is fast but ignores pip.conf and PIP_CERT; where it cannot reach the index, pip installs the same lock.
.venv/.ok: requirements/dev.lock
	@echo "Installing the packages of $< into .venv"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; name it: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv
	@$(PY) -m pip install -q --disable-pip-version-check $(UV) || true
	@if [ -z "$$SSL_CERT_FILE" ] && [ -n "$$PIP_CERT" ]; then export SSL_CERT_FILE="$$PIP_CERT"; fi; \
	  $(PY) -m uv pip install -q --python $(PY) --require-hashes -r $< \
	  || $(PY) -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@

# What benchmarks compare with stays apart from the product's environment.
.venv-bench/.ok: requirements/bench.lock
	@echo "Installing the packages of $< into .venv-bench"
	@$(PYTHON) -m venv .venv-bench
	@if [ -z "$$SSL_CERT_FILE" ] && [ -n "$$PIP_CERT" ]; then export SSL_CERT_FILE="$$PIP_CERT"; fi; \
	  $(PY) -m uv pip install -q --python .venv-bench/bin/python --require-hashes -r $< \
	  || .venv-bench/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@
