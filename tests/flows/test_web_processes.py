"""Two processes of the real web server answer from one index, and change over together."""

import http.client
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from django.conf import LazySettings
from prometheus_client.parser import text_string_to_metric_families

from contextvision_site.settings.test import TEST_DATA_DIR
from gallery.models import IndexVersion, Job, ModelVersion
from gallery.services import versions
from tests.flows.worker import environment, wait_until
from tests.pictures_of_colours import run
from tests.services import REPOSITORY, free_port
from tests.tuning import captioned_gallery

pytestmark = pytest.mark.django_db(transaction=True)


class Watcher:
    """Asks without pause, each time over a new connection, and notes who answered what and when."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: list[tuple[float, int]] = []
        """When it was asked, by the monotonic clock, and the index that answered."""
        self.errors: list[object] = []
        self.answered = 0
        """Requests that were answered, watched for or not."""
        self._counting = threading.Lock()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(2)]

    def ask(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/api/v1/search/?q=red&limit=3")
            response = connection.getresponse()
            answer = json.loads(response.read())
            assert response.status == 200, answer
            with self._counting:
                self.answered += 1
            return int(answer["index"])
        finally:
            connection.close()

    def metrics(self) -> tuple[float, int]:
        """Searches that the server counted in all its processes, and how many told their memory."""
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as response:
            found = list(text_string_to_metric_families(response.read().decode()))
        samples = [sample for family in found for sample in family.samples]
        [searches] = (
            sample.value
            for sample in samples
            if sample.name == "contextvision_search_seconds_count"
            and sample.labels["part"] == "encode"
        )
        memory = [sample for sample in samples if sample.name == "contextvision_memory_bytes"]
        return searches, len(memory)

    def _ask(self) -> None:
        while not self._ended.is_set():
            started = time.monotonic()
            try:
                self.answers.append((started, self.ask()))
            except Exception as error:  # told by the test
                self.errors.append(error)

    def __enter__(self) -> "Watcher":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


def test_all_processes_change_over_within_a_second(
    settings: LazySettings, tmp_path: Path, learnt: Path
) -> None:
    settings.MEDIA_ROOT = str(TEST_DATA_DIR / "media")
    settings.INDEX_DIR = TEST_DATA_DIR / "indexes"
    model = str(learnt)
    settings.CONTEXTVISION_MODEL = model
    captioned_gallery()
    run(Job.Kind.EMBED)
    run(Job.Kind.INDEX)
    run(Job.Kind.INDEX)
    former, live = IndexVersion.objects.order_by("pk")
    assert ModelVersion.objects.count() == 1
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config=python:contextvision_site.gunicorn"]
    command += [f"--bind=127.0.0.1:{port}"]
    web = {
        "CONTEXTVISION_MODEL": model,
        "CONTEXTVISION_WEB_PROCESSES": "2",
        "CONTEXTVISION_THROTTLE_ANONYMOUS": "1000000/minute",
        "CONTEXTVISION_METRICS_NETWORKS": "127.0.0.0/8",
    }
    with (tmp_path / "web.log").open("wb") as log:
        server = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment(**web),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        watcher = Watcher(port)
        wait_until(lambda: both_answer(watcher), seconds=90, what="an answer of both processes")
        # A server that is not ready yet counts what it could not answer in time, too.
        before, answered = watcher.metrics()[0], watcher.answered
        with watcher:
            settle(watcher, live)
            versions.make_active(former, user=None)
            changed = time.monotonic()
            settle(watcher, former)
        searches, processes = watcher.metrics()
    finally:
        server.terminate()
        server.wait(20)
    assert watcher.errors == []
    assert searches - before == watcher.answered - answered
    assert processes == 2
    late = [asked - changed for asked, index in watcher.answers if index == live.pk]
    assert max(late) < 1.0, "asked a second after the change, a process still had the old index"


def both_answer(watcher: Watcher) -> bool:
    """Tell whether many requests in a row are answered: by then each process had its share."""
    try:
        return all(watcher.ask() for _ in range(40))
    except (OSError, AssertionError):  # not there yet, or its model is being loaded
        return False


def settle(watcher: Watcher, index: IndexVersion) -> None:
    """Wait until a hundred answers in a row, which both processes have shares of, are of it."""

    def seen() -> bool:
        lately = [answered for _, answered in watcher.answers[-100:]]
        return len(lately) == 100 and set(lately) == {index.pk}

    start = len(watcher.answers)
    wait_until(
        lambda: len(watcher.answers) >= start + 100 and seen(), seconds=60, what=f"{index} in all"
    )
