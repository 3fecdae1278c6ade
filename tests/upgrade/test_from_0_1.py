"""`migrate` takes over a database that release 0.1.0 filled, and everything in it goes on.

The dumps beside this file were made by that release: six pictures that a program drew, with
captions, embedded and indexed; jobs of every outcome, a candidate, evaluations, people, searches.
"""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from django.conf import settings
from django.db import connections

from tests.services import REPOSITORY

HERE = Path(__file__).parent
Manage: TypeAlias = Callable[..., str]


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    shutil.copytree(HERE / "indexes", folder / "indexes")
    return folder


@pytest.fixture(scope="module")
def database_url(data_folder: Path) -> Iterator[str]:
    """A database as 0.1.0 left it, of the kind that the suite runs on."""
    default = settings.DATABASES["default"]
    if not default["ENGINE"].endswith("postgresql"):
        file = data_folder / "db.sqlite3"
        with sqlite3.connect(file) as made:
            made.create_function("REGEXP", 2, lambda pattern, text: bool(re.search(pattern, text)))
            made.executescript((HERE / "sqlite.sql").read_text())
        made.close()
        yield f"sqlite:///{file}"
        return
    import psycopg

    name = "upgrade_from_0_1"
    server = connections["default"].get_connection_params()
    options = {key: server[key] for key in ("host", "port", "user", "password") if key in server}
    with psycopg.connect(**options, dbname="postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name}")
        try:
            with psycopg.connect(**options, dbname=name, autocommit=True) as fresh:
                fresh.execute((HERE / "postgres.sql").read_text().encode())
            yield re.sub(r"/[^/]*$", f"/{name}", os.environ["DATABASE_URL"])
        finally:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def environment(data_folder: Path, database_url: str) -> dict[str, str]:
    return {
        **os.environ,
        "CONTEXTVISION_DATA_DIR": str(data_folder),
        "DATABASE_URL": database_url,
        "CONTEXTVISION_RUNTIME": "torch",
        "CONTEXTVISION_PRECISION": "float32",
        "DJANGO_SETTINGS_MODULE": "contextvision_site.settings",
    }


@pytest.fixture(scope="module")
def manage(environment: dict[str, str]) -> Manage:
    def run(*arguments: str) -> str:
        ended = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return run


TAKING_OVER = "Taking over the database of release 0.1.0"
KILLS = (
    (TAKING_OVER, 0.0),
    (TAKING_OVER, 0.1),
    (TAKING_OVER, 0.3),
    ("Applying gallery.0002", 0.02),
    ("Applying gallery.0004", 0.0),
    ("Applying gallery.0005", 0.05),
    ("Applying gallery.0007", 0.02),
)
"""What `migrate` says last before it is killed, and how many seconds later."""


@pytest.fixture(scope="module")
def killed_at(environment: dict[str, str]) -> list[str]:
    """What `migrate` was doing when it was killed, again and again."""
    found = []
    for text, seconds in KILLS:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "migrate"],
            cwd=REPOSITORY,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        told = b""
        while text.encode() not in told and (more := os.read(process.stdout.fileno(), 4096)):
            told += more
        time.sleep(seconds)
        process.kill()
        process.wait()
        process.stdout.close()
        found.append(told.decode())
    return found


@pytest.fixture(scope="module")
def taken_over(killed_at: list[str], manage: Manage) -> dict[str, Any]:
    """What the program finds in the database after `migrate`, and after another one."""
    manage("migrate")
    assert "No migrations to apply" in manage("migrate")
    assert "No changes detected" in manage("makemigrations", "--check", "--dry-run")
    found = manage("shell", "--no-imports", "--command", (HERE / "look.py").read_text())
    loaded: dict[str, Any] = json.loads(found.splitlines()[-1])
    return loaded


def test_was_killed_at_every_step(killed_at: list[str]) -> None:
    """Each run went on where the one before was killed: all tests below are about what is left."""
    assert TAKING_OVER in killed_at[0]
    last = [told.strip().splitlines()[-1] for told in killed_at if told.strip()]
    assert len({line for line in last if "Applying gallery" in line}) >= 2


def test_nothing_is_lost(taken_over: dict[str, Any]) -> None:
    then = json.loads((HERE / "counts.json").read_text())
    then["ResumableUpload"] = then.pop("IncomingFile")
    counts = taken_over["counts"]
    assert {name: counts[name] for name in then} == then


def test_tables_are_those_of_a_fresh_database(taken_over: dict[str, Any]) -> None:
    # SQLite keeps its full-text index in tables that no model describes.
    index = [name for name in taken_over["tables"] if name.startswith("gallery_imagetext_")]
    assert [name for name in taken_over["tables"] if name not in index] == taken_over["models"]


def test_every_page_answers(taken_over: dict[str, Any]) -> None:
    assert set(taken_over["pages"].values()) == {200}, taken_over["pages"]


def test_the_live_index_is_live_and_finds(taken_over: dict[str, Any]) -> None:
    assert taken_over["live"] == {"store": "files", "is_there": True, "count": 6}
    assert "red" in taken_over["first_hit"]
    assert taken_over["checks"] == [], "the live index is as it should be"


def test_sentences_are_told_as_they_were_written(taken_over: dict[str, Any]) -> None:
    assert "Set aside: its worker died 3 times" in taken_over["errors"]
    assert "No sign of life from its worker" in taken_over["job_page"]
    assert "this is not a picture" in taken_over["failures_page"]
    assert "less than 0.800: the live model has 0.900" in taken_over["model_page"]


def test_phrases_are_codes(taken_over: dict[str, Any]) -> None:
    assert taken_over["training"].keys() >= {"left_out", "test", "best_epoch"}
    assert taken_over["kinds_of_checks"] == ["test", "general_set", "query_set"]
    assert sorted(taken_over["splits"]) == ["test", "train", "validation"]
    assert taken_over["saved_search"] == "q=something+red&split=validation"
    of_gallery, of_folder = taken_over["evaluations"]
    assert of_gallery["data"] == "data.validation"
    assert set(of_gallery["pictures"]) <= set(taken_over["ids"])
    assert of_folder == {"data": "data.folder", "pictures": ["picture 1.jpg"]}


def test_numbers_go_on_where_they_were(taken_over: dict[str, Any]) -> None:
    """Of two tags the second was deleted; an index counts on no number being given again."""
    assert taken_over["counts"]["Tag"] == 1
    assert taken_over["next_tag"] == 3


def test_permissions_stay_with_the_model_that_was_renamed(taken_over: dict[str, Any]) -> None:
    assert taken_over["permissions"] == [
        f"{action}_resumableupload" for action in ("add", "change", "delete", "view")
    ]
