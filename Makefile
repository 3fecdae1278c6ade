# Needs GNU make and Python 3.11 or newer with venv and pip; everything else is installed into .venv.
#   make demo                     search a set of photographs on http://127.0.0.1:8000
#   make demo PHOTOS=/any/folder  search your own
#   make lint test                everything that is checked

PYTHON ?= python3
VENV   ?= .venv
PORT   ?= 8000
PHOTOS ?=
export PORT PHOTOS

BIN := $(VENV)/bin
# What was installed last. A second run installs nothing unless a requirements file has changed.
RUN_STAMP  := $(VENV)/.installed
DEMO_STAMP := $(VENV)/.installed-demo
DEV_STAMP  := $(VENV)/.installed-dev
BENCHMARK_STAMP := $(VENV)/.installed-benchmark

.PHONY: demo run worker migrate install benchmark test test-site test-mlcore test-browser test-db lint format messages clean

demo: $(DEMO_STAMP)
	@$(BIN)/python manage.py demo --port "$$PORT" $(if $(PHOTOS),--photos "$$PHOTOS")

run: $(RUN_STAMP) migrate
	$(BIN)/gunicorn --config python:contextvision_site.gunicorn --bind 127.0.0.1:$(PORT)

worker: $(RUN_STAMP) migrate
	$(BIN)/celery --app contextvision_site worker --pool threads --concurrency 3 --queues default,embed,train

migrate: $(RUN_STAMP)
	@$(BIN)/python manage.py migrate --verbosity 0

install: $(RUN_STAMP)

# PHOTOS may name a folder of captioned pictures; GROWTH=yes adds what takes hours. Exits with 1 where
# a bar is missed.
GROWTH ?=
GROWN  := --growth-records 7000 70000 1000000 --growth-vectors 500000 1000000 2000000 4000000
benchmark: $(BENCHMARK_STAMP)
	$(BIN)/python manage.py benchmark $(if $(PHOTOS),--photos "$$PHOTOS") $(if $(GROWTH),$(GROWN)) \
	    --out docs/benchmarks.json --page docs/benchmarks.md

# Parts that share nothing, so that `make --jobs 2 lint test` may run them beside each other.
test: test-site test-mlcore test-browser

test-site: $(DEV_STAMP)
	$(BIN)/pytest --ignore=tests/mlcore --ignore=tests/browser

test-browser: $(DEV_STAMP)
	$(BIN)/pytest tests/browser

test-mlcore: $(DEV_STAMP)
	$(BIN)/pytest tests/mlcore

# What meets the database, to be run with another DATABASE_URL. Left out: mlcore and the checks of the
# project itself, which know no database, and what always brings a database of its own or looks at the
# screen only.
test-db: $(DEV_STAMP)
	$(BIN)/pytest --ignore=tests/mlcore --ignore=tests/browser --ignore=tests/flows/test_demo.py \
	    --ignore=tests/crash --ignore=tests/fuzz --ignore-glob='tests/test_*.py'

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Needs GNU gettext (Debian package: gettext); docs/languages.md says what for.
messages: $(DEV_STAMP)
	$(BIN)/python manage.py makemessages --all --no-location --no-obsolete \
	    --ignore=tests --ignore=docs --ignore=var
	$(BIN)/python manage.py compilemessages --ignore=$(VENV)

# The virtual environment and caches go; pictures, database and indexes in var/ stay.
clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	    f"Python 3.11 or newer is needed; $(PYTHON) is {sys.version.split()[0]}. " \
	    "Name another one: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): requirements.txt | $(BIN)/python
	@echo 'Installing packages into $(VENV). The first time takes some minutes.'
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(DEMO_STAMP): requirements-demo.txt $(RUN_STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-demo.txt
	@touch $@

$(BENCHMARK_STAMP): requirements-benchmark.txt $(RUN_STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-benchmark.txt
	@touch $@

$(DEV_STAMP): requirements-dev.txt $(DEMO_STAMP) $(BENCHMARK_STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
