"""Backups: whole or not there, nothing copied twice, the same site again on an empty machine."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.test import Client

from gallery import fulltext
from gallery.models import (
    Image,
    IndexVersion,
    ModelVersion,
    SavedQuerySet,
    StaleText,
    WorkerPulse,
)
from gallery.services import query_sets
from gallery.services.backups import Repository, make_backup, making
from gallery.services.backups import files as backup_files
from gallery.services.backups import tables as backup_tables
from gallery.services.backups.tables import last_number, tables
from gallery.services.images import delete_images
from gallery.services.query_sets import DraftQuery
from mlcore.progress import NoProgress
from search.engine import engine_holder
from tests.encoders import ColourEncoder
from tests.gallery.test_bucket import use
from tests.pictures_of_colours import add_picture, index_everything
from tests.s3 import S3Server
from tests.services import REPOSITORY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]


@pytest.fixture
def site(colours: ColourEncoder, settings: LazySettings) -> list[Image]:
    """A site with pictures, people, a query set, and a model in its folder."""
    pictures = [
        add_picture(colour, captions=(f"all {colour}",)) for colour in ("red", "green", "blue")
    ]
    index_everything()
    User.objects.create_user("keeper", password="a long password", is_staff=True)
    queries = [DraftQuery("red", [pictures[0].pk])]
    query_sets.save(None, name="Reds", queries=queries, user=None)
    folder = Path(settings.MODELS_DIR) / "mine"
    (folder / ".compiled").mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "clip"}')
    (folder / ".compiled" / "network.bin").write_bytes(b"made again")
    return pictures


def back_up(folder: Path, **options: Any) -> str:
    output = StringIO()
    call_command("backup", folder, stdout=output, **options)
    return output.getvalue()


def restore(folder: Path, **options: Any) -> str:
    output = StringIO()
    call_command("restore", folder, stdout=output, **options)
    return output.getvalue()


def search(text: str) -> Any:
    engine_holder.reset()
    answer = Client().get("/api/v1/search/", {"q": text})
    assert answer.status_code == 200, answer.content
    hits = answer.json()["results"]
    assert hits
    return [(hit["image"]["id"], hit["relevance"]) for hit in hits]


def empty_machine(settings: LazySettings, folder: Path) -> None:
    """Another machine: an empty database, and other folders."""
    call_command("flush", interactive=False, verbosity=0)
    settings.MEDIA_ROOT = str(folder / "media")
    settings.INDEX_DIR = folder / "indexes"
    settings.MODELS_DIR = folder / "models"


def objects(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "objects").glob("*/*")}


def rows() -> dict[str, list[Any]]:
    """All rows that are the same after a restore; an index is built anew."""
    others = {"gallery_indexversion", "gallery_sentencechange"}  # it reads what was not read yet
    return {
        name: sorted(map(repr, model._base_manager.values_list()))
        for name, model in tables().items()
        if name not in others
    }


@pytest.mark.also_on_postgres
def test_an_empty_machine_becomes_the_same_site(
    site: list[Image], settings: LazySettings, tmp_path: Path
) -> None:
    gone = add_picture("yellow")
    delete_images([gone])
    fulltext.catch_up()
    before, found, scores = rows(), search("red"), search("all blue")
    numbers = {name: last_number(connection, model) for name, model in tables().items()}
    live = IndexVersion.objects.active()
    back_up(tmp_path / "backup")

    empty_machine(settings, tmp_path / "other")
    assert not Image.objects.exists()
    restore(tmp_path / "backup")

    assert rows() == before
    assert (search("red"), search("all blue")) == (found, scores)
    assert IndexVersion.objects.active() == live
    for picture in site:
        with default_storage.open(picture.display_name) as file:
            assert file.read()
    assert (tmp_path / "other/models/mine/config.json").is_file()
    assert not (tmp_path / "other/models/mine/.compiled").exists()
    assert SavedQuerySet.objects.get().name == "Reds"
    assert not StaleText.objects.exists(), "nothing is to be read anew"
    assert User.objects.get().check_password("a long password")
    # Numbers are given once, those of what was deleted as well.
    counted = {name: last_number(connection, model) for name, model in tables().items()}
    for name in ("gallery_image", "gallery_imageembedding", "gallery_job"):
        assert counted[name] == numbers[name]
    assert add_picture("yellow", shade=9).pk > gone.pk


@pytest.mark.also_on_postgres
def test_the_doctor_finds_nothing_after_it(
    site: list[Image], settings: LazySettings, tmp_path: Path
) -> None:
    back_up(tmp_path / "backup")
    empty_machine(settings, tmp_path / "other")
    restore(tmp_path / "backup")
    output = StringIO()
    call_command("doctor", stdout=output)  # it ends with an error where it finds something
    assert output.getvalue().endswith("0 found, 0 mended.\n")


def test_a_restored_site_goes_on(site: list[Image], settings: LazySettings, tmp_path: Path) -> None:
    """Triggers are there, so what is written since is noted and found."""
    back_up(tmp_path / "backup")
    empty_machine(settings, tmp_path / "other")
    restore(tmp_path / "backup")
    picture = add_picture("yellow", captions=("all yellow",))
    Image.objects.filter(pk=picture.pk).update(title="of the sun")
    assert StaleText.objects.filter(image_id=picture.pk).exists()
    index_everything()
    assert picture.pk in dict(search("yellow"))


@pytest.mark.also_on_postgres
def test_what_has_not_changed_is_not_copied_again(
    site: list[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(tmp_path)
    first = objects(tmp_path)
    opened: list[str] = []
    storage_open = default_storage.open

    def noted(name: str) -> Any:
        opened.append(name)
        return storage_open(name)

    monkeypatch.setattr(default_storage, "open", noted)
    added = add_picture("yellow")
    made = back_up(tmp_path)
    # The thumbnail of so small a picture has the bytes of the picture that is shown.
    assert "2 new files of pictures" in made
    assert set(opened) == {added.file.name, *added.ingested_names}
    second = objects(tmp_path)
    assert first.items() <= second.items(), "what was there was not written again"
    assert len(Repository(tmp_path).snapshots()) == 2
    rows_of_users = [
        [
            each["segments"]
            for each in Repository(tmp_path).snapshot(name)["tables"]
            if each["table"] == "auth_user"
        ]
        for name in Repository(tmp_path).snapshots()
    ]
    assert rows_of_users[0] == rows_of_users[1]


def test_an_interrupted_backup_is_none(
    site: list[Image], settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Repository.put
    left = [4]

    def dies(self: Repository, source: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return put(self, source)

    monkeypatch.setattr(Repository, "put", dies)
    with pytest.raises(KeyboardInterrupt):
        back_up(tmp_path)
    monkeypatch.undo()
    assert objects(tmp_path)
    with pytest.raises(CommandError, match="holds no backup that was completed"):
        restore(tmp_path, replace=True)
    assert Image.objects.count() == 3
    back_up(tmp_path)
    assert "whole" in restore(tmp_path, check=True)


@pytest.mark.parametrize("how", ["flipped", "truncated", "gone"])
def test_a_damaged_backup_is_refused_and_changes_nothing(
    site: list[Image], tmp_path: Path, how: str
) -> None:
    back_up(tmp_path)
    before = rows()
    for digest in objects(tmp_path):
        place = tmp_path / "objects" / digest[:2] / digest
        whole = place.read_bytes()
        if how == "gone":
            place.unlink()
        else:
            place.write_bytes(whole[:-1] + (bytes([whole[-1] ^ 1]) if how == "flipped" else b""))
        with pytest.raises(CommandError, match=r"damaged|cannot be used"):
            restore(tmp_path, check=True)
        with pytest.raises(CommandError, match=r"damaged|cannot be used"):
            restore(tmp_path, replace=True)
        assert rows() == before
        place.write_bytes(whole)
    [name] = Repository(tmp_path).snapshots()
    snapshot = tmp_path / "snapshots" / f"{name}.json"
    snapshot.write_text(snapshot.read_text().replace('"rows": 3', '"rows": 4'))
    with pytest.raises(CommandError, match="damaged"):
        restore(tmp_path, replace=True)


@pytest.mark.also_on_postgres
def test_a_filled_site_is_replaced_only_when_told(site: list[Image], tmp_path: Path) -> None:
    back_up(tmp_path)
    before, found = rows(), search("red")
    add_picture("yellow", shade=9)
    User.objects.create_user("newcomer")
    with pytest.raises(CommandError, match="--replace"):
        restore(tmp_path)
    assert Image.objects.count() == 4
    WorkerPulse.objects.beat("a worker", "default")
    with pytest.raises(CommandError, match="Workers run here"):
        restore(tmp_path, replace=True)
    WorkerPulse.objects.all().delete()
    restore(tmp_path, replace=True)
    assert rows() == before
    assert search("red") == found


def test_a_later_release_is_refused(site: list[Image], tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    back_up(tmp_path)
    contents = repository.snapshot()
    contents["migrations"].append(["gallery", "9999_of_tomorrow"])
    repository.add_snapshot({**contents, "release": "9.0.0", "made_at": "29990101T000000.000000Z"})
    with pytest.raises(CommandError, match=r"release 9\.0\.0.*9999_of_tomorrow"):
        restore(tmp_path, replace=True)


@pytest.mark.also_on_postgres
def test_a_backup_of_a_former_release_is_migrated(
    site: list[Image], settings: LazySettings, tmp_path: Path
) -> None:
    """As the release before would have made it: its tables, and none of what came later."""
    repository = Repository(tmp_path / "backup")
    back_up(tmp_path / "backup")
    found = search("red")
    contents = repository.snapshot()
    contents["migrations"] = [
        [app, name]
        for app, name in contents["migrations"]
        if app != "gallery" or name < "0005_words"
    ]
    contents["tables"] = list(as_then(repository, contents))
    repository.add_snapshot({**contents, "made_at": "29990101T000000.000000Z"})
    empty_machine(settings, tmp_path / "other")
    restore(tmp_path / "backup")
    assert Image.objects.count() == 3
    assert search("red") == found
    assert StaleText.objects.exists(), "words are made by the next worker"


def as_then(repository: Repository, contents: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Keep the tables and the columns that there were at the migrations of a backup."""
    state = MigrationLoader(connection).project_state([tuple(x) for x in contents["migrations"]])
    then = tables(state.apps)
    for entry in contents["tables"]:
        if entry["table"] not in then:
            continue
        had = {field.column for field in then[entry["table"]]._meta.local_concrete_fields}
        places = [place for place, name in enumerate(entry["columns"]) if name in had]
        entry["columns"] = [entry["columns"][place] for place in places]
        entry["segments"] = [
            [
                number,
                repository.put_lines(
                    [line[place] for place in places] for line in repository.lines(digest)
                ).digest,
            ]
            for number, digest in entry["segments"]
        ]
        yield entry


def test_files_that_the_site_lacks_are_told(
    site: list[Image], settings: LazySettings, tmp_path: Path
) -> None:
    default_storage.delete(site[0].thumbnail_name)
    original = Path(settings.MEDIA_ROOT) / str(site[1].file)
    original.write_bytes(original.read_bytes()[:-1])
    errors = StringIO()
    with pytest.raises(CommandError, match="2 files of pictures"):
        call_command("backup", tmp_path, stderr=errors)
    assert f"{site[0].thumbnail_name}: missing" in errors.getvalue()
    assert f"{site[1].file.name}: damaged" in errors.getvalue()
    assert len(Repository(tmp_path).snapshots()) == 1, "all else is backed up"


def test_a_picture_deleted_meanwhile_is_no_fault(
    site: list[Image], settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = backup_files.keep_pictures

    def late(*args: Any) -> dict[str, Any]:
        with transaction.atomic():
            delete_images([site[2]])
        return keep(*args)

    monkeypatch.setattr("gallery.services.backups.making.keep_pictures", late)
    back_up(tmp_path / "backup")
    empty_machine(settings, tmp_path / "other")
    restore(tmp_path / "backup")
    assert set(Image.objects.all()) == set(site[:2])


def test_only_so_many_are_kept(site: list[Image], tmp_path: Path) -> None:
    back_up(tmp_path)
    delete_images([site[0]])
    lost = {path.name for path in (tmp_path / "objects").glob("*/*")}
    back_up(tmp_path, keep=1)
    assert len(Repository(tmp_path).snapshots()) == 1
    assert lost - set(objects(tmp_path)), "what only the former one held is gone"
    assert "whole" in restore(tmp_path, check=True)
    with pytest.raises(CommandError, match="at least 1"):
        back_up(tmp_path, keep=0)


def test_two_do_not_write_into_one_folder(site: list[Image], tmp_path: Path) -> None:
    with Repository(tmp_path).writing(), pytest.raises(CommandError, match="under way"):
        back_up(tmp_path)


def test_no_secret_is_in_it(
    site: list[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTEXTVISION_SECRET_KEY", "do-not-keep-this")
    monkeypatch.setenv("CONTEXTVISION_MEDIA_S3_SECRET", "nor-this")
    monkeypatch.setenv("CACHE_URL", "redis://:nor-this-one@host:6379/1")
    monkeypatch.setenv("CONTEXTVISION_TAIL_LIMIT", "2000")
    Client().force_login(User.objects.get())
    back_up(tmp_path)
    contents = Repository(tmp_path).snapshot()
    assert contents["settings"]["CONTEXTVISION_TAIL_LIMIT"] == "2000"
    assert contents["settings"]["CACHE_URL"] == "redis://:...@host:6379/1"
    text = json.dumps(contents)
    assert "this" not in text
    assert "django_session" not in {each["table"] for each in contents["tables"]}
    assert (tmp_path.stat().st_mode & 0o077) == 0


def test_a_model_moves_with_the_folder_of_models(
    site: list[Image], settings: LazySettings, tmp_path: Path
) -> None:
    reference = str(Path(settings.MODELS_DIR) / "mine")
    ModelVersion.objects.create(
        name="mine", reference=reference, fingerprint="f" * 64, dim=4, image_size=8
    )
    back_up(tmp_path / "backup")
    empty_machine(settings, tmp_path / "other")
    restore(tmp_path / "backup")
    moved = ModelVersion.objects.get(name="mine").reference
    assert moved == str(tmp_path / "other/models/mine")
    assert (Path(moved) / "config.json").is_file()


def test_links_of_the_hubs_cache_stay_links_and_lead_nowhere_else(
    site: list[Image], settings: LazySettings, tmp_path: Path
) -> None:
    hub = Path(settings.MODELS_DIR) / "hub"
    (hub / "blobs").mkdir(parents=True)
    (hub / "blobs" / "weights").write_bytes(b"weights")
    (hub / "snapshot").symlink_to("blobs/weights")
    back_up(tmp_path / "backup")
    empty_machine(settings, tmp_path / "other")
    restore(tmp_path / "backup")
    link = tmp_path / "other/models/hub/snapshot"
    assert link.is_symlink()
    assert link.read_bytes() == b"weights"
    repository = Repository(tmp_path / "backup")
    contents = repository.snapshot()
    contents["models"]["files"] = [{"name": "out", "link": "../../../etc/passwd"}]
    repository.add_snapshot({**contents, "made_at": "29990101T000000.000000Z"})
    with pytest.raises(CommandError, match="damaged"):
        restore(tmp_path / "backup", replace=True)


def of_pictures() -> dict[str, list[Any]]:
    """All but what another process reads of captions, with a model that is none of the tests'."""
    return {name: values for name, values in rows().items() if "_sentence" not in name}


@pytest.mark.also_on_postgres
@pytest.mark.requires_postgres
def test_a_site_moves_between_the_engines(
    site: list[Image], settings: LazySettings, tmp_path: Path
) -> None:
    """To SQLite in a process of its own, and from there back to PostgreSQL."""
    before = of_pictures()
    back_up(tmp_path / "first")
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "CONTEXTVISION_DATA_DIR": str(tmp_path / "sqlite"),
        "DJANGO_SETTINGS_MODULE": "contextvision_site.settings",
    }
    for command, folder in (("restore", "first"), ("backup", "second")):
        subprocess.run(
            [sys.executable, "manage.py", command, str(tmp_path / folder)],
            cwd=REPOSITORY,
            env=environment,
            check=True,
        )
    assert Repository(tmp_path / "second").snapshot()["database"] == "sqlite"
    empty_machine(settings, tmp_path / "other")
    restore(tmp_path / "second")
    assert of_pictures() == before


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.stop()


def test_pictures_move_from_a_bucket_to_another_and_to_the_disk(
    colours: ColourEncoder, server: S3Server, settings: LazySettings, tmp_path: Path
) -> None:
    disk = settings.STORAGES
    first, second = server.make_bucket(), server.make_bucket()
    use(settings, server.endpoint, first)
    add_picture("red")
    index_everything()
    found = search("red")
    back_up(tmp_path / "backup")
    empty_machine(settings, tmp_path / "other")
    use(settings, server.endpoint, second)
    restore(tmp_path / "backup")
    assert server.names(second) == server.names(first)
    assert search("red") == found
    settings.STORAGES = disk
    restore(tmp_path / "backup", replace=True)
    picture = Image.objects.get()
    assert (tmp_path / "other/media" / str(picture.file)).stat().st_size == picture.bytes


def test_a_full_disk_is_told_in_words(
    site: list[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "backup").write_text("a file where the folder should be")
    with pytest.raises(CommandError, match=r"backup.*cannot be used.*check free space"):
        back_up(tmp_path / "backup")


@pytest.mark.also_on_postgres
def test_reads_one_moment_and_holds_up_nobody(
    site: list[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture that comes while rows are read is in none of the tables."""
    dump = backup_tables.dump

    def add() -> None:
        add_picture("yellow")
        connection.close()

    def slow(*args: Any) -> Any:
        Image.objects.exists()  # the moment that all see
        other = threading.Thread(target=add)
        other.start()
        other.join(30)
        assert not other.is_alive(), "whoever writes waits for the backup"
        return dump(*args)

    monkeypatch.setattr(making, "dump", slow)
    made = make_backup(tmp_path, keep=None, progress=NoProgress())
    assert Image.objects.count() == 4
    counts = {each["table"]: each["rows"] for each in Repository(tmp_path).snapshot()["tables"]}
    # The thumbnail of so small a picture has the bytes of the picture that is shown.
    assert (counts["gallery_image"], made.new_files) == (3, 6)
