"""Whether the process answers, whether the product would, and how long it takes to tell."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client

from contextvision_site import health
from contextvision_site.celery import app
from gallery.models import Image, IndexVersion, WorkerPulse
from tests.encoders import EXACT
from tests.index_files import folder_of
from tests.services import redis_url


@pytest.fixture
def queue_folders(tmp_path: Path, settings: LazySettings) -> Iterator[dict[str, str]]:
    """A broker made of folders, as on a fresh machine."""
    folders = {name: str(tmp_path / name) for name in ("data_folder_in", "data_folder_out")}
    for folder in folders.values():
        Path(folder).mkdir()
    settings.CELERY_BROKER_URL = "filesystem://"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(app.conf, "broker_transport_options", folders)
        patch.setitem(app.conf, "broker_url", "filesystem://")
        yield folders


def use_broker(url: str, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CELERY_BROKER_URL = url
    monkeypatch.setitem(app.conf, "broker_url", url)
    monkeypatch.setitem(app.conf, "broker_write_url", url)
    monkeypatch.setitem(app.conf, "broker_transport_options", {"socket_connect_timeout": 1})


SLACK = 10
"""Seconds for a busy machine; what hangs in these tests hangs for longer."""


def ready(client: Client) -> tuple[int, dict[str, Any]]:
    started = time.monotonic()
    response = client.get("/readyz")
    assert time.monotonic() - started < health.PATIENCE + SLACK
    body = response.json()
    assert body["status"] == ("ready" if response.status_code == 200 else "not ready")
    assert "no-store" in response["Cache-Control"]
    return response.status_code, body["checks"]


def settled(client: Client) -> tuple[int, dict[str, Any]]:
    """Ask until nothing is being loaded any more."""
    for _ in range(20):
        status, checks = ready(client)
        if "being loaded" not in checks["search"]["reason"]:
            break
    return status, checks


class TestLiveness:
    def test_it_answers_without_a_database(self, client: Client) -> None:
        # No fixture lets this test use the database: a query would fail it.
        response = client.get("/livez")
        assert (response.status_code, response.json()) == (200, {"status": "alive"})
        assert client.head("/livez").status_code == 200
        assert client.post("/livez").status_code == 405


@pytest.mark.django_db(transaction=True)
class TestReadiness:
    """Checks run in threads, which see only what is committed: hence ``transaction=True``."""

    def test_with_everything_there(
        self, client: Client, indexed: dict[str, Image], queue_folders: dict[str, str]
    ) -> None:
        WorkerPulse.objects.beat("worker@here", "default")
        status, checks = settled(client)
        assert status == 200, checks
        assert set(checks) == {"database", "broker", "search", "worker", "disk"}
        assert all(check["ok"] and check["reason"] for check in checks.values())
        assert "colours" in checks["search"]["reason"]
        assert client.head("/readyz").status_code == 200

    def test_a_fresh_gallery_says_what_is_missing(
        self, client: Client, queue_folders: dict[str, str]
    ) -> None:
        status, checks = settled(client)
        assert status == 503
        assert checks["database"]["ok"]
        assert checks["broker"]["ok"]
        assert "No index is live yet" in checks["search"]["reason"]
        assert "No worker has been seen" in checks["worker"]["reason"]

    def test_a_worker_that_was_seen_long_ago_is_none(self, client: Client) -> None:
        WorkerPulse.objects.beat("worker@here", "default")
        long_ago = WorkerPulse.objects.get().seen_at - 2 * WorkerPulse.LIFETIME
        WorkerPulse.objects.update(seen_at=long_ago)
        assert not ready(client)[1]["worker"]["ok"]

    def test_an_impaired_index_is_told_without_naming_folders(
        self, client: Client, indexed: dict[str, Image], data_dir: Path
    ) -> None:
        (folder_of(IndexVersion.objects.get()) / "ids.npy").unlink()
        _, checks = settled(client)
        assert checks["search"]["ok"]
        assert "the log says why" in checks["search"]["reason"]
        assert str(data_dir) not in str(checks)

    def test_a_model_that_cannot_be_loaded(
        self, client: Client, indexed: dict[str, Image], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import mlcore.encoders.cache
        from mlcore.errors import ModelUnavailableError

        def gone(reference: str, **options: Any) -> None:
            raise ModelUnavailableError("/srv/secret/model: there is no such folder.")

        mlcore.encoders.cache.forget_encoders()
        monkeypatch.setattr(mlcore.encoders.cache, "load_encoder", gone)
        _, checks = settled(client)
        assert not checks["search"]["ok"]
        assert "secret" not in str(checks)

    def test_a_model_that_loads_for_long_does_not_hold_up_the_answer(
        self, client: Client, indexed: dict[str, Image], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import mlcore.encoders.cache

        enough = threading.Event()
        encoder = mlcore.encoders.cache.shared_encoder("colours", options=EXACT)
        loads: list[str] = []

        def slow(reference: str, **options: Any) -> Any:
            loads.append(reference)
            enough.wait(30)
            return encoder

        mlcore.encoders.cache.forget_encoders()
        monkeypatch.setattr(mlcore.encoders.cache, "load_encoder", slow)
        for _ in range(2):
            status, checks = ready(client)
            assert status == 503
            assert "being loaded" in checks["search"]["reason"]
        enough.set()
        assert settled(client)[1]["search"]["ok"]
        assert loads == ["colours"]

    def test_a_queue_without_its_folder(
        self, client: Client, queue_folders: dict[str, str]
    ) -> None:
        assert ready(client)[1]["broker"]["ok"]
        Path(queue_folders["data_folder_in"]).rmdir()
        assert not ready(client)[1]["broker"]["ok"]

    @pytest.mark.requires_redis
    def test_a_redis_that_is_there(
        self, client: Client, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use_broker(redis_url(), settings, monkeypatch)
        assert ready(client)[1]["broker"] == {"ok": True, "reason": "It answers."}

    def test_a_redis_that_is_down_gives_no_password_away(
        self, client: Client, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use_broker("redis://:hunter2@127.0.0.1:1/0", settings, monkeypatch)
        _, checks = ready(client)
        assert not checks["broker"]["ok"]
        assert "cannot be reached" in checks["broker"]["reason"]
        assert "hunter2" not in str(checks)

    def test_a_redis_that_hangs_does_not_hang_the_answer(
        self, client: Client, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            use_broker(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", settings, monkeypatch)
            for _ in range(3):
                _, checks = ready(client)
                assert "does not answer in time" in checks["broker"]["reason"]
            waiting = [thread for thread in threading.enumerate() if thread.name == "health"]
            assert len(waiting) == 1  # not one more for each time it was asked
        waiting[0].join(10)

    def test_a_database_that_refuses(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        from django.db import OperationalError
        from django.db.backends.base.base import BaseDatabaseWrapper

        def refuse(wrapper: Any) -> None:
            raise OperationalError("password authentication failed for user admin")

        monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", refuse)
        status, checks = ready(client)
        assert status == 503
        assert checks["database"]["reason"] == "The database cannot be reached."
        assert not checks["worker"]["ok"]
        assert "admin" not in str(checks)
        assert client.get("/livez").status_code == 200


def test_the_checks_leave_no_connection_open(transactional_db: None, client: Client) -> None:
    ready(client)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            )
            [count] = cursor.fetchone() or [0]
            assert count == 1
