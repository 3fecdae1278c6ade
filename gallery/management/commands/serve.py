"""The web server and a worker under one command, for a container that holds all of it."""

import os
import signal
import sys
import time
from argparse import ArgumentParser
from typing import Any, NoReturn

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from gallery.demo.processes import ProgramGroup

NAME, PASSWORD = "DJANGO_SUPERUSER_USERNAME", "DJANGO_SUPERUSER_PASSWORD"
LOOK_INTERVAL = 0.5
"""Seconds between two looks at whether both programs still run."""


class Command(BaseCommand):
    help = (
        "Bring the database up to date and run a web server and a worker until told to stop; where "
        "one of them ends, so does the other. "
        f"{NAME} and {PASSWORD} make the first administrator."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:8000", help="address and port")

    def handle(self, *args: Any, **options: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        try:
            call_command("migrate", interactive=False, verbosity=0)
            call_command("collectstatic", interactive=False, verbosity=0)
            make_first_administrator()
            self.run_both(options["bind"])
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")

    def run_both(self, bind: str) -> NoReturn:
        environment = {**os.environ, **variables_of_a_space()}
        python = [sys.executable, "-m"]
        web = ["gunicorn", "--config", "python:contextvision_site.gunicorn", "--bind", bind]
        worker = ["celery", "--app", "contextvision_site", "worker", "--pool", "threads"]
        worker += ["--concurrency", "3", "--queues", "default,embed,train"]
        with ProgramGroup() as programs:
            for name, command in (("web", web), ("worker", worker)):
                programs.start(name, [*python, *command], cwd=settings.BASE_DIR, env=environment)
            while (ended := programs.ended()) is None:
                time.sleep(LOOK_INTERVAL)
            raise CommandError(
                f"The {ended.name} process has ended (status {ended.process.returncode}), so the "
                "other is stopped too."
            )


def variables_of_a_space() -> dict[str, str]:
    """Return the settings that follow from where a Hugging Face Space runs; what is set stays."""
    host = os.environ.get("SPACE_HOST")
    if not host:
        return {}
    found = {
        "CONTEXTVISION_ALLOWED_HOSTS": f"{host},localhost,127.0.0.1",
        "CONTEXTVISION_TRUSTED_ORIGINS": f"https://{host}",
        "CONTEXTVISION_HTTPS": "on",
        "CONTEXTVISION_TRUSTED_PROXIES": "1",
    }
    return {name: value for name, value in found.items() if name not in os.environ}


def make_first_administrator() -> None:
    """Make the account that the environment names, where nobody administrates the site yet.

    Raises:
        CommandError: its password is one that nobody may have here.
    """
    name, password = os.environ.get(NAME), os.environ.get(PASSWORD)
    if not name or not password or User.objects.filter(is_superuser=True).exists():
        return
    try:
        validate_password(password, User(username=name))
    except ValidationError as error:
        raise CommandError(f"{PASSWORD}: {' '.join(error.messages)}") from error
    User.objects.create_superuser(name, os.environ.get("DJANGO_SUPERUSER_EMAIL", ""), password)
