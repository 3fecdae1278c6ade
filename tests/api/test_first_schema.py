"""The schema in a process that has just started, asked for by several at once."""

import json
import subprocess
import sys

import pytest
from django.test import Client

from tests.services import REPOSITORY

ASK = """
import json
from threading import Barrier, Thread
from django.core.wsgi import get_wsgi_application
get_wsgi_application()
from django.test import Client
together, statuses = Barrier(8), []
def ask():
    client = Client(SERVER_NAME="localhost", raise_request_exception=False)
    together.wait()
    statuses.append(client.get("/api/v1/schema/").status_code)
threads = [Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(statuses))
"""


def test_the_first_to_ask_are_all_answered() -> None:
    told = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stderr[-2000:]
    assert json.loads(told.stdout) == [200] * 8, told.stderr[-2000:]


@pytest.mark.django_db
def test_what_stands_in_the_address_does_not_change_it(client: Client) -> None:
    usual = client.get("/api/v1/schema/?format=json")
    for asked in ("version=%0a", "version=9", "lang=xx", "lang=de-at"):
        answer = client.get(f"/api/v1/schema/?format=json&{asked}")
        assert (answer.status_code, answer.content) == (200, usual.content), asked
        assert answer["Content-Disposition"] == usual["Content-Disposition"]
