"""The system checks find what they are for, say it in words, and are silent otherwise."""

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.checks import CheckMessage, run_checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from gallery.models import IndexVersion, ModelVersion, WorkerPulse
from tests.index_files import folder_of


def found(*, database: bool = False, deploy: bool = False) -> dict[str, CheckMessage]:
    messages = run_checks(
        databases=["default"] if database else None, include_deployment_checks=deploy
    )
    ours = [message for message in messages if str(message.id).startswith("contextvision.")]
    return {str(message.id).partition(".")[2]: message for message in ours}


@pytest.fixture(autouse=True)
def _sentences(settings: LazySettings) -> None:
    settings.CONTEXTVISION_SENTENCE_MODEL = "minilm"


@pytest.fixture
def index(db: None, data_dir: Path) -> IndexVersion:
    model = ModelVersion.objects.create(
        name="starter", reference="starter", fingerprint="a" * 64, dim=4, image_size=32
    )
    index = IndexVersion.objects.create(
        model_version=model, store="files", location="one", count=1, watermark=1, is_active=True
    )
    folder_of(index).mkdir(parents=True)
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


@pytest.mark.parametrize("name", ["", "MiniLM", "/no/such/folder", "a/b/c"])
def test_models_of_sentences_that_cannot_be_meant(settings: LazySettings, name: str) -> None:
    settings.CONTEXTVISION_SENTENCE_MODEL = name
    [message] = found().values()
    assert message.id == "contextvision.E003"
    assert f"CONTEXTVISION_SENTENCE_MODEL={name!r}" in message.msg
    settings.CONTEXTVISION_SENTENCE_MODEL = "sentence-transformers/LaBSE@main"
    assert found() == {}


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
    folder_of(index).rmdir()
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


@pytest.mark.parametrize("recorded", [set(), {"0001_initial", "0002_of_another_version"}])
def test_a_database_of_another_version_is_not_asked(
    index: IndexVersion, recorded: set[str]
) -> None:
    """`migrate` runs these checks on tables that it has still to change."""
    WorkerPulse.objects.all().delete()
    assert set(found(database=True)) == {"W004"}
    recorder = MigrationRecorder(connection)
    recorder.migration_qs.filter(app="gallery").delete()
    for name in recorded:
        recorder.record_applied("gallery", name)
    with connection.cursor() as cursor:
        for model in (IndexVersion, WorkerPulse):
            cursor.execute(f"ALTER TABLE {model._meta.db_table} RENAME TO {model.__name__}_then")
    assert found(database=True) == {}


def test_a_misspelled_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTEXTVISION_TAIL_LIMITS", "5")
    monkeypatch.setenv("CONTEXTVISION_OF_TOMORROW", "on")
    monkeypatch.setenv("CONTEXTVISION_PORT", "8000")  # Compose's own
    messages = [message for message in run_checks() if message.id == "contextvision.W014"]
    assert [message.msg.partition(" ")[0] for message in messages] == [
        "CONTEXTVISION_OF_TOMORROW",
        "CONTEXTVISION_TAIL_LIMITS",
    ]
    assert messages[1].hint == "Is CONTEXTVISION_TAIL_LIMIT meant?"


@pytest.mark.django_db
def test_a_database_of_a_later_release_is_refused() -> None:
    MigrationRecorder(connection).record_applied("gallery", "9999_of_tomorrow")
    with pytest.raises(CommandError, match=r"later release.*9999_of_tomorrow.*restore"):
        call_command("migrate", verbosity=0)
