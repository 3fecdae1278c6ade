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

.PHONY: demo run worker migrate install benchmark test test-slow test-release test-db test-containers lint format messages clean

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
	$(BIN)/python -m benchmarks $(if $(PHOTOS),--photos "$$PHOTOS") $(if $(GROWTH),$(GROWN)) \
	    --out docs/benchmarks.json --page docs/benchmarks.md

# Each process takes up to a gigabyte. Tests of one file stay in one: they share what takes long to
# make.
PROCESSES ?= 2
test: $(DEV_STAMP)
	$(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile

# What takes minutes each: docs/developing/testing.md says what, and why.
test-slow: $(DEV_STAMP)
	$(BIN)/pytest -m slow

# Before a release: what is slow, and more rounds of what makes its cases up (docs/reliability.md).
EFFORT ?= 10
test-release: test-slow
	CONTEXTVISION_TEST_EFFORT=$(EFFORT) $(BIN)/pytest tests/property tests/crash tests/fuzz tests/security \
	    tests/api/test_schema.py tests/gallery/test_doctor.py tests/flows/test_messages_thrice.py

# What meets the database, to be run with another DATABASE_URL. Left out: mlcore and the checks of the
# project itself, which know no database, and what always brings a database of its own or looks at the
# screen only.
test-db: $(DEV_STAMP)
	$(BIN)/pytest --ignore=tests/mlcore --ignore=tests/browser --ignore=tests/flows/test_demo.py \
	    --ignore=tests/crash --ignore=tests/fuzz --ignore=tests/benchmarks --ignore=tests/tools \
	    --ignore-glob='tests/test_*.py'

# Brings docker-compose.yml up on a real Docker; STAND_INS=yes makes its base images of Debian's packages
# where no registry can be reached, and FORMER names the commit to upgrade from.
FORMER ?=
STAND_INS ?=
test-containers: $(DEV_STAMP)
	$(if $(STAND_INS),sh tests/containers/stand_ins/build.sh)
	$(BIN)/python -m tests.containers $(if $(FORMER),--former $(FORMER))

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint --check --quiet templates
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djlint --reformat --quiet templates

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
