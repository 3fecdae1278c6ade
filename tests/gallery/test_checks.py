"""The system checks find what they are for, say it in words, and are silent otherwise."""

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.checks import CheckMessage, run_checks
from django.core.management import call_command
from django.db import connection

from gallery.models import IndexVersion, ModelVersion, WorkerPulse


def found(*, database: bool = False, deploy: bool = False) -> dict[str, CheckMessage]:
    messages = run_checks(
        databases=["default"] if database else None, include_deployment_checks=deploy
    )
    ours = [message for message in messages if str(message.id).startswith("contextvision.")]
    return {str(message.id).partition(".")[2]: message for message in ours}


@pytest.fixture
def index(db: None, data_dir: Path) -> IndexVersion:
    model = ModelVersion.objects.create(
        name="starter", reference="starter", fingerprint="a" * 64, dim=4, image_size=32
    )
    index = IndexVersion.objects.create(
        model_version=model, directory="one", count=1, watermark=1, is_active=True
    )
    index.path.mkdir(parents=True)
    return index


def test_nothing_is_wrong_with_the_defaults() -> None:
    assert found(deploy=True) == {}


def test_every_message_says_what_to_do(settings: LazySettings) -> None:
    settings.CONTEXTVISION_MODEL = "startr"
    settings.ALLOWED_HOSTS = ["*"]
    settings.MEDIA_ROOT = "/proc/pictures"
    messages = found(deploy=True)
    assert set(messages) == {"E001", "E002", "W003"}
    assert all(message.hint for message in messages.values())
    assert "/proc" in messages["E001"].msg


def test_a_folder_that_can_be_made_is_no_problem(settings: LazySettings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = str(tmp_path / "not" / "there" / "yet")
    assert found() == {}


@pytest.mark.parametrize("name", ["starter", "openai/clip-vit-base-patch32", "me/mine@v1.0"])
def test_names_that_can_be_meant(settings: LazySettings, name: str) -> None:
    settings.CONTEXTVISION_MODEL = name
    assert found() == {}


def test_a_folder_can_be_meant(settings: LazySettings, tmp_path: Path) -> None:
    settings.CONTEXTVISION_MODEL = str(tmp_path)
    assert found() == {}


@pytest.mark.parametrize("name", ["", "clip", "/no/such/folder", "./here", "~/x", "a/b/c"])
def test_names_that_cannot_be_meant(settings: LazySettings, name: str) -> None:
    settings.CONTEXTVISION_MODEL = name
    [message] = found().values()
    assert message.id == "contextvision.E002"
    assert repr(name) in message.msg


def test_the_database_is_left_alone_unless_asked_for(db: None) -> None:
    assert found() == {}
    assert set(found(database=True)) == {"W004"}, "nobody works in this test"


def test_one_worker_is_well(db: None) -> None:
    WorkerPulse.objects.beat("w1", "default, train")
    assert found(database=True) == {}


def test_two_workers_need_a_database_server(db: None) -> None:
    WorkerPulse.objects.beat("w1", "default")
    WorkerPulse.objects.beat("w2", "train")
    expected = {"W005"} if connection.vendor == "sqlite" else set()
    assert set(found(database=True)) == expected


def test_more_web_processes_than_the_database_has_connections_for(
    db: None, settings: LazySettings
) -> None:
    WorkerPulse.objects.beat("w1", "default, train")
    settings.WEB_PROCESSES = 1000
    messages = found(database=True)
    if connection.vendor == "sqlite":  # which has none
        assert messages == {}
    else:
        assert set(messages) == {"W012"}
        assert "max_connections = 64020" in str(messages["W012"].hint)


def test_live_index_as_set(index: IndexVersion) -> None:
    WorkerPulse.objects.beat("w1", "default, train")
    assert found(database=True) == {}


def test_live_index_of_another_model(index: IndexVersion, settings: LazySettings) -> None:
    WorkerPulse.objects.beat("w1", "default, train")
    settings.CONTEXTVISION_MODEL = "openai/clip-vit-base-patch32"
    [message] = found(database=True).values()
    assert message.id == "contextvision.W006"
    assert "promote openai/clip-vit-base-patch32" in str(message.hint)
    assert "CONTEXTVISION_MODEL=starter" in str(message.hint)


def test_a_model_that_was_trained_here_need_not_be_set(
    index: IndexVersion, settings: LazySettings
) -> None:
    WorkerPulse.objects.beat("w1", "default, train")
    settings.CONTEXTVISION_MODEL = "openai/clip-vit-base-patch32"
    ModelVersion.objects.update(origin=ModelVersion.Origin.TRAINED)
    assert found(database=True) == {}


def test_live_index_whose_files_are_gone(index: IndexVersion) -> None:
    WorkerPulse.objects.beat("w1", "default, train")
    index.path.rmdir()
    [message] = found(database=True).values()
    assert message.id == "contextvision.W007"


@pytest.mark.django_db(transaction=True)
def test_a_database_without_tables_is_not_asked() -> None:
    """`migrate` runs these checks before there is anything to ask."""
    call_command("migrate", "gallery", "zero", verbosity=0)
    try:
        assert found(database=True) == {}
    finally:
        call_command("migrate", verbosity=0)
