"""Settings from the environment: what is accepted, and what is said otherwise."""

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from contextvision_site.settings import env
from tests.services import REPOSITORY

NAME = "CONTEXTVISION_TRIED"


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        *[("on", True), ("1", True), ("True", True), (" yes ", True)],
        *[("off", False), ("0", False), ("FALSE", False), ("no", False), ("", False)],
    ],
)
def test_flag(monkeypatch: pytest.MonkeyPatch, value: str, meant: bool) -> None:
    monkeypatch.setenv(NAME, value)
    assert env.flag(NAME, not meant) is meant


def test_a_flag_that_is_not_set_has_its_default() -> None:
    assert env.flag(NAME, True) is True
    assert env.flag(NAME, False) is False


def test_text_is_taken_literally(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that starts with a dollar sign does not name another variable."""
    monkeypatch.setenv(NAME, " $HOME ")
    assert env.text(NAME, "") == "$HOME"


def test_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "a.example, b.example,,")
    assert env.words(NAME, "") == ["a.example", "b.example"]


def test_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.share(NAME, 0.05) == 0.05
    monkeypatch.setenv(NAME, "0.1")
    assert env.share(NAME, 0.05) == 0.1


def test_vector_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.vector_backend(NAME, "faiss") == "faiss"
    monkeypatch.setenv(NAME, "milvus://ada:word@milvus.example:19530/pictures")
    assert env.vector_backend(NAME, "faiss").startswith("milvus://ada")
    for wrong in ("qdrant://ada:word@host", "milvus://ada:word@host:port", "milvus://"):
        monkeypatch.setenv(NAME, wrong)
        with pytest.raises(ImproperlyConfigured, match=f"{NAME} is not understood") as refused:
            env.vector_backend(NAME, "faiss")
        assert "word" not in str(refused.value).replace("password", "")


def test_whole_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "12")
    assert env.whole(NAME, 5, minimum=12) == 12


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("", None),
        ("s3://pictures", ("pictures", "")),
        ("s3://pictures/", ("pictures", "")),
        ("s3://my.pictures-2/gallery/one/", ("my.pictures-2", "gallery/one")),
    ],
)
def test_buckets(monkeypatch: pytest.MonkeyPatch, value: str, meant: object) -> None:
    monkeypatch.setenv(NAME, value)
    assert env.bucket(NAME, "") == meant


def test_views_are_put_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, " middle, centre ")
    assert env.views(NAME, "centre") == ("centre", "middle")


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "http://[::1]:9000/")
    assert env.address(NAME, "") == "http://[::1]:9000"


def test_debugging_is_for_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "on")
    assert env.debug(NAME, ["localhost", "127.0.0.1", "[::1]", "pictures.localhost"])
    monkeypatch.setenv(NAME, "off")
    assert not env.debug(NAME, ["*"])


@pytest.mark.parametrize(
    ("read", "value", "accepted"),
    [
        (lambda: env.flag(NAME, False), "maybe", "'on' or 'off'"),
        (lambda: env.whole(NAME, 1, minimum=1), "0", "at least 1"),
        (lambda: env.whole(NAME, 1), "1.5", "whole number"),
        (lambda: env.whole(NAME, 1), "many", "whole number"),
        (lambda: env.share(NAME, 0.1), "1.5", "from 0 to 1"),
        (lambda: env.share(NAME, 0.1), "5 %", "from 0 to 1"),
        (lambda: env.share(NAME, 0.1), "nan", "from 0 to 1"),
        (lambda: env.choice(NAME, "a", ("a", "b")), "c", "a, b"),
        (lambda: env.views(NAME, "centre"), "mirror", "'centre'"),
        (lambda: env.views(NAME, "centre"), "centre,centre", "'centre'"),
        (lambda: env.views(NAME, "centre"), "centre,left", ",mirror"),
        (lambda: env.rate(NAME, "1/second"), "5/fortnight", "120/minute"),
        (lambda: env.rate(NAME, "1/second"), "120", "120/minute"),
        (lambda: env.database(NAME, ""), "mysql://user@host/name", "postgres"),
        (lambda: env.database(NAME, ""), "no address", "postgres"),
        (lambda: env.database(NAME, ""), "postgres://host:port/name", "postgres://user:password"),
        (lambda: env.bucket(NAME, ""), "pictures", "s3://bucket/prefix"),
        (lambda: env.bucket(NAME, ""), "s3://Pictures", "s3://bucket/prefix"),
        (lambda: env.bucket(NAME, ""), "s3://pictures/a/../b", "s3://bucket/prefix"),
        (lambda: env.address(NAME, ""), "minio:9000", "https://host:port"),
        (lambda: env.address(NAME, ""), "https://minio/path", "https://host:port"),
        (lambda: env.secret(NAME, Path("x")), "changeme", "token_urlsafe"),
        (lambda: env.secret(NAME, Path("x")), "a" * 60, "token_urlsafe"),
        (lambda: env.secret(NAME, Path("x")), "django-insecure-8gq2v7k1x3z5m9w4c6b0", "random"),
        (lambda: env.secret(NAME, Path("x")), "put-your-secret-key-here-0123-4567-89", "random"),
        (lambda: env.hour(NAME, 3), "24", "from 0 to 23, or 'off'"),
        (lambda: env.debug(NAME, ["localhost", "*"]), "on", "this machine alone"),
        (lambda: env.debug(NAME, ["pictures.example.org"]), "on", "pictures.example.org"),
    ],
)
def test_an_error_names_the_variable_and_what_it_accepts(
    monkeypatch: pytest.MonkeyPatch, read: object, value: str, accepted: str
) -> None:
    monkeypatch.setenv(NAME, value)
    assert callable(read)
    with pytest.raises(ImproperlyConfigured) as raised:
        read()
    assert NAME in str(raised.value)
    assert accepted in str(raised.value)


def test_an_error_about_a_secret_does_not_repeat_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "hunter2hunter2")
    with pytest.raises(ImproperlyConfigured) as raised:
        env.secret(NAME, Path("x"))
    assert "hunter2" not in str(raised.value)
    monkeypatch.setenv(NAME, "https://key:hunter2@minio:9000")
    with pytest.raises(ImproperlyConfigured) as raised:
        env.address(NAME, "")
    assert "hunter2" not in str(raised.value)
    for address in ("postgres://user:hunter2@host:port/name", "posgres://user:hunter2@host/name"):
        monkeypatch.setenv(NAME, address)
        with (
            warnings.catch_warnings(record=True) as warned,
            pytest.raises(ImproperlyConfigured) as raised,
        ):
            env.database(NAME, "")
        assert "hunter2" not in str(raised.value) + str([str(one.message) for one in warned])


def test_a_secret_is_made_once_and_kept_for_this_user_only(tmp_path: Path) -> None:
    file = tmp_path / "secret_key"
    secret = env.secret(NAME, file)
    assert not file.exists(), "it is made when it is first used"
    assert len(secret) >= 50  # what Django's own deployment check asks for
    assert secret == file.read_text()
    assert env.secret(NAME, file) == secret
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_processes_that_start_at_once_agree_on_the_secret(tmp_path: Path) -> None:
    code = (
        "from contextvision_site.settings import SECRET_KEY; import time;"
        "time.sleep(1 - time.time() % 1); print(SECRET_KEY)"
    )
    environment = {**os.environ, "CONTEXTVISION_DATA_DIR": str(tmp_path / "data")}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    secrets = {process.communicate(timeout=60)[0] for process in processes}
    assert len(secrets) == 1
    assert len(secrets.pop().strip()) >= 50


def test_a_damaged_secret_file_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "secret_key"
    file.write_text("")
    secret = env.secret(NAME, file)
    with pytest.raises(ImproperlyConfigured, match=rf"Delete it .* or set {NAME}"):
        str(secret)


def test_a_secret_that_cannot_be_kept_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    secret = env.secret(NAME, tmp_path / "file" / "secret_key")
    with pytest.raises(ImproperlyConfigured, match=rf"cannot be written to .* or set {NAME}"):
        str(secret)


@pytest.mark.parametrize(
    ("read", "value", "extra"),
    [
        (lambda: env.vector_backend(NAME, "faiss"), "milvus://host:19530", "milvus"),
        (lambda: env.bucket(NAME, ""), "s3://pictures", "s3"),
        (lambda: env.database(NAME, ""), "postgres://user:hunter2@host/name", "postgres"),
        (lambda: env.service(NAME, ""), "redis://:hunter2@host:6379/0", "redis"),
    ],
)
def test_what_needs_packages_that_are_not_installed_says_which(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], object], value: str, extra: str
) -> None:
    monkeypatch.setenv(NAME, value)
    assert read(), "with the packages it is read"
    monkeypatch.setattr(env, "find_spec", lambda module: None)
    with pytest.raises(ImproperlyConfigured, match=NAME) as refused:
        read()
    assert f"pip install 'contextvision[{extra}]'" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_secret_from_the_environment_is_preferred(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    value = "0123456789abcdef" * 4
    monkeypatch.setenv(NAME, value)
    assert env.secret(NAME, tmp_path / "secret_key") == value
    assert not list(tmp_path.iterdir())


def test_sqlite_is_set_up_for_several_writers(tmp_path: Path) -> None:
    config = env.database(NAME, f"sqlite:///{tmp_path}/db.sqlite3")
    assert config["NAME"] == f"{tmp_path}/db.sqlite3"
    assert config["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in config["OPTIONS"]["init_command"]


def test_postgres_is_noticed_when_it_is_gone_and_used_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(NAME, "postgres://user:p%40ss@host:5433/name?sslmode=require")
    config = env.database(NAME, "")
    assert (config["USER"], config["PASSWORD"]) == ("user", "p@ss")
    assert (config["HOST"], config["PORT"], config["NAME"]) == ("host", 5433, "name")
    assert config["OPTIONS"]["sslmode"] == "require"
    assert config["OPTIONS"]["connect_timeout"] == 2
    assert config["CONN_HEALTH_CHECKS"]


def manage(
    data_dir: Path, *arguments: str, program: Sequence[str] = ("manage.py",), **variables: str
) -> subprocess.CompletedProcess[str]:
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not re.match("CONTEXTVISION_|CELERY_|CACHE_URL|DATABASE_URL|DJANGO_", key)
    }
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=REPOSITORY,
        env={**inherited, "CONTEXTVISION_DATA_DIR": str(data_dir), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_nothing_needs_to_be_set(tmp_path: Path) -> None:
    result = manage(tmp_path, "check")
    assert result.returncode == 0, result.stderr
    assert result.stderr == "", "nothing to read where nothing is wrong"


def test_nothing_is_made_before_it_is_used(tmp_path: Path) -> None:
    data = tmp_path / "not" / "there"
    load = (
        "import django; django.setup(); import contextvision_site.wsgi, contextvision_site.celery"
    )
    result = manage(
        data, program=("-c", load), DJANGO_SETTINGS_MODULE="contextvision_site.settings"
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert manage(data, "check").returncode == 0
    assert manage(data, "migrate", "--help").returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert manage(data, "migrate", "--verbosity", "0").returncode == 0
    assert [file.name for file in data.iterdir()] == ["db.sqlite3"]


def test_a_data_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert manage(tmp_path / "file" / "data", "migrate", "--help").returncode == 0
    for command in ("check", "migrate"):
        result = manage(tmp_path / "file" / "data", command)
        assert result.returncode != 0
        assert "CONTEXTVISION_DATA_DIR" in result.stderr


def test_pictures_are_kept_in_the_bucket_that_is_named(tmp_path: Path) -> None:
    """Settings, django-storages and boto3 agree on the options; no command waits for the bucket."""
    ask = (
        "storage = __import__('django').core.files.storage.default_storage; client = storage.client"
    )
    tell = "print(client.meta.endpoint_url, client.meta.region_name, storage.key('a/b'))"
    result = manage(
        tmp_path,
        *("shell", "--no-imports", "--command", f"{ask}; {tell}"),
        CONTEXTVISION_MEDIA_S3="s3://pictures/gallery",
        CONTEXTVISION_MEDIA_S3_ENDPOINT="http://127.0.0.1:9/",
        CONTEXTVISION_MEDIA_S3_REGION="eu-central-1",
        CONTEXTVISION_MEDIA_S3_KEY="key",
        CONTEXTVISION_MEDIA_S3_SECRET="secret",
    )
    assert result.stdout == "http://127.0.0.1:9 eu-central-1 gallery/a/b\n", result.stderr


def test_a_deployment_behind_https_passes_djangos_checks(tmp_path: Path) -> None:
    result = manage(
        tmp_path,
        *("check", "--deploy", "--fail-level", "WARNING"),
        CONTEXTVISION_HTTPS="on",
        CONTEXTVISION_ALLOWED_HOSTS="pictures.example.org",
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({}, "max-age=31536000"),
        ({"CONTEXTVISION_HSTS_DAYS": "1"}, "max-age=86400"),
        ({"CONTEXTVISION_HSTS_DAYS": "0"}, "None"),
        (
            {"CONTEXTVISION_HSTS_SUBDOMAINS": "on", "CONTEXTVISION_HSTS_PRELOAD": "on"},
            "max-age=31536000; includeSubDomains; preload",
        ),
    ],
)
def test_what_browsers_remember_of_https(
    tmp_path: Path, variables: dict[str, str], header: str
) -> None:
    assert header_of(tmp_path, "Strict-Transport-Security", **variables) == header


def test_frames_are_allowed_to_those_that_are_named(tmp_path: Path) -> None:
    assert "frame-ancestors 'none'" in header_of(tmp_path, "Content-Security-Policy")
    origin = "https://huggingface.co"
    allowed = header_of(tmp_path, "Content-Security-Policy", CONTEXTVISION_FRAME_ANCESTORS=origin)
    assert f"frame-ancestors {origin};" in f"{allowed};"
    # A browser sends cookies to a page in a frame only where they say so.
    login = (
        "from django.conf import settings; "
        "print(settings.SESSION_COOKIE_SAMESITE, settings.CSRF_COOKIE_SAMESITE)",
        "--no-imports",
    )
    for https, expected in (("on", "None None"), ("off", "Lax Lax")):
        result = manage(
            tmp_path,
            "shell",
            "--command",
            *login,
            CONTEXTVISION_FRAME_ANCESTORS=origin,
            CONTEXTVISION_HTTPS=https,
        )
        assert result.stdout.strip() == expected, result.stderr


def header_of(folder: Path, name: str, **variables: str) -> str:
    """Ask the site over HTTPS for a page that needs no database, and return a header."""
    ask = (
        "from django.test import Client; "
        f"print(Client().get('/livez', secure=True).headers.get({name!r}))"
    )
    result = manage(
        folder,
        *("shell", "--command", ask, "--no-imports"),
        CONTEXTVISION_HTTPS="on",
        CONTEXTVISION_ALLOWED_HOSTS="testserver",
        **variables,
    )
    return result.stdout.strip()


def test_static_files_have_addresses_before_and_after_they_are_collected(tmp_path: Path) -> None:
    ask = (
        "from django.templatetags.static import static; print(static('admin/css/base.css'))",
        "--no-imports",
    )
    before = manage(tmp_path, "shell", "--command", *ask)
    assert before.stdout.strip() == "/static/admin/css/base.css", before.stderr
    assert manage(tmp_path, "collectstatic", "--noinput").returncode == 0
    after = manage(tmp_path, "shell", "--command", *ask)
    assert re.fullmatch(r"/static/admin/css/base\.[0-9a-f]{12}\.css", after.stdout.strip())
