"""docker-compose.yml and Dockerfile, held against the settings and the programs they start."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml
from django.urls import resolve

from contextvision_site.celery import app as celery_app
from contextvision_site.settings import WEB_THREADS, env
from gallery.checks import CONNECTIONS_OF_OTHERS
from tests.documented import settings_variables
from tests.services import REPOSITORY

TEXT = (REPOSITORY / "docker-compose.yml").read_text()
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
SECRETS = {
    "CONTEXTVISION_SECRET_KEY": "k3y" + "0123456789abcdef" * 4,
    "POSTGRES_PASSWORD": "postgrespassword",
    "REDIS_PASSWORD": "redispassword",
}
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


def compose(variables: dict[str, str]) -> dict[str, Any]:
    """Read the file as Compose does with these variables in `.env`."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match["name"], match["kind"], match["rest"]
        if variables.get(name):
            return variables[name]
        if kind == "?":
            raise ValueError(f"{name}: {rest}")
        assert kind == "-" or name in SECRETS, f"{name} has neither a default nor a message"
        return rest or ""

    loaded: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(value, TEXT).replace("$$", "$"))
    return loaded


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = compose(SECRETS)["services"]
    return found


OURS = ("migrate", "web", "worker", "train-worker")
WORKERS = ("worker", "train-worker")


def test_has_the_services_that_are_promised(services: dict[str, Any]) -> None:
    assert set(services) == {*OURS, "postgres", "redis"}


@pytest.mark.parametrize("name", SECRETS)
def test_does_not_start_without_a_secret(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}: .*docs/install\.md"):
        compose({key: value for key, value in SECRETS.items() if key != name})


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_one_that_the_settings_read(services: dict[str, Any], name: str) -> None:
    unknown = set(services[name]["environment"]) - settings_variables()
    assert not unknown


def test_variables_of_the_image_are_known() -> None:
    [block] = re.findall(r"^ENV PATH=(?:.*\\\n)*.*", DOCKERFILE, re.MULTILINE)
    names = set(re.findall(r"(\w+)=", block))
    python_and_libraries = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "HF_HOME"}
    python_and_libraries.add("XDG_CACHE_HOME")  # where compiled networks are kept
    assert names - python_and_libraries <= settings_variables()


def test_settings_accept_the_values(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in services["web"]["environment"].items():
        monkeypatch.setenv(key, str(value))
    database = env.database("DATABASE_URL", "")
    assert database["ENGINE"].endswith("postgresql")
    assert env.secret("CONTEXTVISION_SECRET_KEY", Path("unused"))
    assert env.flag("CONTEXTVISION_HTTPS", True) is False
    assert env.whole("CONTEXTVISION_TRUSTED_PROXIES", 1) == 0
    assert "localhost" in env.words("CONTEXTVISION_ALLOWED_HOSTS", "")
    assert env.text("CONTEXTVISION_MODEL", "") == "openai/clip-vit-base-patch32"


def test_addresses_name_services_and_their_passwords(services: dict[str, Any]) -> None:
    environment = services["web"]["environment"]
    database = urlsplit(environment["DATABASE_URL"])
    postgres = services["postgres"]["environment"]
    assert (database.hostname, database.port) == ("postgres", 5432)
    assert (database.username, database.password, database.path[1:]) == (
        postgres["POSTGRES_USER"],
        postgres["POSTGRES_PASSWORD"],
        postgres["POSTGRES_DB"],
    )
    redis_command = services["redis"]["command"]
    redis_password = redis_command[redis_command.index("--requirepass") + 1]
    broker, cache = (urlsplit(environment[name]) for name in ("CELERY_BROKER_URL", "CACHE_URL"))
    for url in (broker, cache):
        assert (url.hostname, url.port, url.password) == ("redis", 6379, redis_password)
    assert broker.path != cache.path, "messages and counters need databases of their own"
    assert services["redis"]["environment"]["REDISCLI_AUTH"] == redis_password


def test_only_the_web_server_is_published_and_only_on_this_machine(
    services: dict[str, Any],
) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"web": ["127.0.0.1:8000:8000"]}


def parse_gunicorn(command: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    from gunicorn.app.wsgiapp import WSGIApplication  # type: ignore[import-untyped]

    assert command[0] == "gunicorn"
    monkeypatch.setattr("sys.argv", command)
    return WSGIApplication("%(prog)s").cfg


def test_gunicorn_takes_its_command(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = parse_gunicorn(services["web"]["command"], monkeypatch)
    assert config.address == [("0.0.0.0", 8000)]  # noqa: S104  (inside its container)
    assert config.wsgi_app == "contextvision_site.wsgi"
    assert (config.workers, config.worker_class_str) == (
        1,
        "contextvision_site.web_worker.DoorWorker",
    )
    assert config.control_socket_disable
    [published] = services["web"]["ports"]
    assert published.endswith(":8000")


def test_more_threads_than_searches_that_may_wait(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from search.engine import SEARCHES_AT_ONCE

    config = parse_gunicorn(services["web"]["command"], monkeypatch)
    assert config.threads > SEARCHES_AT_ONCE


def test_as_many_processes_as_set() -> None:
    command = [sys.executable, "-m", "gunicorn", "--print-config", "--config"]
    done = subprocess.run(
        [*command, "python:contextvision_site.gunicorn"],
        env={**os.environ, "CONTEXTVISION_WEB_PROCESSES": "3"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"^workers += 3$", done.stdout, re.MULTILINE)


def test_postgres_takes_the_connections_of_four_web_processes(services: dict[str, Any]) -> None:
    [allowed] = re.findall(r"max_connections=(\d+)", " ".join(services["postgres"]["command"]))
    assert int(allowed) >= 4 * WEB_THREADS + CONNECTIONS_OF_OTHERS


def test_the_image_starts_the_web_server_as_compose_does(services: dict[str, Any]) -> None:
    command, _ = re.findall(r"^CMD (\[.*\])", DOCKERFILE, re.MULTILINE)
    assert yaml.safe_load(command) == services["web"]["command"]
    assert services["web"]["build"] == {"context": ".", "target": "site"}
    assert re.search(r"^FROM \S+ AS site$", DOCKERFILE, re.MULTILINE)


def celery_options(command: list[str]) -> dict[str, Any]:
    """Let Celery's own command line read a command, and return what it would run with."""
    from celery.bin.celery import celery
    from celery.bin.control import inspect
    from celery.bin.worker import worker

    found: dict[str, Any] = {}

    @click.pass_context
    def note(context: click.Context, /, **options: Any) -> None:
        assert context.obj.app.main == celery_app.main
        found.update(options, extra=context.args)

    assert command[0] == "celery"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "callback", note)
        patch.setattr(inspect, "callback", note)
        celery.main(command[1:], standalone_mode=False)
    return found


@pytest.mark.parametrize("name", WORKERS)
def test_celery_takes_its_commands(services: dict[str, Any], name: str) -> None:
    options = celery_options(services[name]["command"])
    assert options["extra"] == []
    assert options["pool"].__module__ == "celery.concurrency.thread"
    assert options["concurrency"] >= 1


def test_every_queue_has_a_worker(services: dict[str, Any]) -> None:
    served = [celery_options(services[name]["command"])["queues"] for name in WORKERS]
    assert sorted(queue for queues in served for queue in queues) == sorted(
        queue.name for queue in celery_app.conf.task_queues
    )
    assert celery_options(services["train-worker"]["command"])["concurrency"] == 1


@pytest.mark.parametrize("file", ["Makefile", "docs/install.md"])
def test_commands_written_elsewhere_are_taken_too(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (REPOSITORY / file).read_text().replace("$(PORT)", "8000")
    workers = re.findall(r"bin/(celery .*)|BIN\)/(celery .*)", text)
    queues: set[str] = set()
    for line in map("".join, workers):
        options = celery_options(shlex.split(line))
        assert options["extra"] == []
        queues |= set(options["queues"])
    assert queues == {queue.name for queue in celery_app.conf.task_queues}
    [(line, other)] = re.findall(r"bin/(gunicorn .*)|BIN\)/(gunicorn .*)", text)
    assert parse_gunicorn(shlex.split(line or other), monkeypatch).wsgi_app


@pytest.mark.parametrize("name", WORKERS)
def test_worker_health_command_is_one_of_celerys(services: dict[str, Any], name: str) -> None:
    kind, line = services[name]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    options = celery_options(shlex.split(line))
    assert options["destination"] == ["celery@$HOSTNAME"]  # the name that Celery gives by itself


def test_web_health_address_resolves(services: dict[str, Any]) -> None:
    code = services["web"]["healthcheck"]["test"][-1]
    [address] = re.findall(r"http://[^']+", code)
    assert urlsplit(address).port == 8000
    assert urlsplit(address).hostname in services["web"]["environment"][
        "CONTEXTVISION_ALLOWED_HOSTS"
    ].split(",")
    assert resolve(urlsplit(address).path)
    compile(code, "health check", "exec")


def test_whoever_has_work_under_way_is_given_time(services: dict[str, Any]) -> None:
    from contextvision_site.gunicorn import graceful_timeout

    assert services["web"]["stop_grace_period"] == "30s"
    assert graceful_timeout < 30
    assert [services[name]["stop_grace_period"] for name in WORKERS] == ["2m", "2m"]


@pytest.mark.parametrize("name", OURS)
def test_a_container_may_write_to_its_volumes_alone(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert (service["read_only"], service["tmpfs"]) == (True, ["/tmp"])  # noqa: S108
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", OURS)
def test_every_setting_of_the_env_file_arrives(services: dict[str, Any], name: str) -> None:
    assert services[name]["env_file"] == ".env"


def test_every_service_but_the_migration_is_watched_and_restarted(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name != "migrate":
            assert "healthcheck" in service, name
            assert service["restart"] == "unless-stopped", name


def test_migrations_run_once_before_everything_else(services: dict[str, Any]) -> None:
    from django.core.management import get_commands

    shell, option, line = services["migrate"]["command"]
    assert (shell, option) == ("sh", "-c")
    run = re.findall(r"python manage\.py (\w+)", line)
    assert run == ["migrate", "warm_up"], "the networks are compiled once the tables are there"
    assert set(run) <= set(get_commands())
    subprocess.run(["sh", "-n", "-c", line], check=True)
    assert services["migrate"]["depends_on"]["postgres"] == {"condition": "service_healthy"}
    for name in ("web", *WORKERS):
        assert services[name]["depends_on"]["migrate"] == {
            "condition": "service_completed_successfully"
        }


def test_web_and_workers_share_pictures_indexes_and_models(services: dict[str, Any]) -> None:
    from django.conf import settings

    data = re.search(r"CONTEXTVISION_DATA_DIR=(\S+)", DOCKERFILE)
    assert data is not None
    kept = {
        "media": "MEDIA_ROOT",
        "indexes": "INDEX_DIR",
        "models": "MODELS_DIR",
        "transfers": "TRANSFER_DIR",
        "imports": "IMPORT_DIR",
    }
    declared = compose(SECRETS)["volumes"]
    for name in OURS:
        assert services[name]["volumes"] == [
            f"{kind}:{data[1]}/{kind}" for kind in (*kept, "cache")
        ]
        for kind in (*kept, "cache"):
            assert kind in declared
            assert f"{data[1]}/{kind}" in DOCKERFILE, "its owner comes from the image"
    for kind, setting in kept.items():
        assert Path(getattr(settings, setting)).name == kind


def test_image_runs_without_privileges_and_holds_no_secret() -> None:
    user = DOCKERFILE.index("USER contextvision")
    assert user < DOCKERFILE.index("collectstatic") < DOCKERFILE.index("CMD")
    assert "SECRET_KEY" not in DOCKERFILE.replace('RUN CONTEXTVISION_SECRET_KEY="$(', "")
    ignored = (REPOSITORY / ".dockerignore").read_text().split()
    assert {".*", "var"} <= set(ignored), "neither .env nor data may get into the image"


def test_reading_the_configuration_of_the_server_sets_nothing(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "contextvision_site.gunicorn", raising=False)
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    before = dict(os.environ)
    parse_gunicorn(services["web"]["command"], monkeypatch)
    assert dict(os.environ) == before
