"""`import_images --watch` in a process of its own, which is killed and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.pictures_of_colours import colour_jpeg

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Settings of an installation of its own, on SQLite."""
    kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return kept | {
        "CONTEXTVISION_DATA_DIR": str(tmp_path / "data"),
        "DJANGO_SETTINGS_MODULE": "contextvision_site.settings",
        "PYTHONUNBUFFERED": "1",
    }


def manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@contextmanager
def watching(
    environment: dict[str, str], folder: Path, log: Path
) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "manage.py", "import_images", "--watch", str(folder)]
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, "--interval", "1", "--tag", "camera"],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def wait_for(condition: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.5)


def titles(environment: dict[str, str]) -> set[str]:
    script = (
        "from gallery.models import Image; print(*Image.objects.values_list('title', flat=True))"
    )
    return set(manage(environment, "shell", "--no-imports", "-c", script).split())


def test_it_takes_in_what_comes_ends_politely_and_goes_on_after_a_kill(
    environment: dict[str, str], tmp_path: Path
) -> None:
    manage(environment, "migrate", "--verbosity", "0")
    folder, log = tmp_path / "camera", tmp_path / "log"
    folder.mkdir()
    (folder / "red.jpg").write_bytes(colour_jpeg("red"))
    with watching(environment, folder, log) as process:
        wait_for(lambda: "1 picture added" in log.read_text(), log)
        (folder / "blue.jpg").write_bytes(colour_jpeg("blue"))
        wait_for(lambda: log.read_text().count("1 picture added") == 2, log)
        process.kill()
    assert titles(environment) == {"red", "blue"}
    (folder / "green.jpg").write_bytes(colour_jpeg("green"))
    with watching(environment, folder, log) as process:
        wait_for(lambda: "1 picture added" in log.read_text(), log)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "start it again to go on" in log.read_text()
    assert titles(environment) == {"red", "blue", "green"}


@pytest.mark.django_db
def test_what_does_not_go_with_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--dry-run does not go with --watch"):
        call_command("import_images", str(tmp_path), "--watch", "--dry-run")
    with pytest.raises(CommandError, match="There is no folder gone"):
        call_command("import_images", str(tmp_path / "gone"), "--watch")
