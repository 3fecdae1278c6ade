"""Brings the unchanged docker-compose.yml up on a real engine, and looks whether anything is lost.

    make test-containers FORMER=v0.1.0

Needs Docker, docker-compose and what `tests/containers/stand_ins/build.sh` names, where no registry
of images can be reached. Takes about half an hour and 10 GB. Prints a table of what took how long.
"""

import argparse
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import skimage.data

from tests.containers.site import NAME, PASSWORD, ComposeSite
from tests.mlcore.clip_factory import make_clip
from tests.services import REPOSITORY

PICTURES = ("coffee.png", "chelsea.png", "brick.png", "rocket.jpg", "astronaut.png")
CAPTIONS = (
    "A cup of coffee.",
    "A cat looks up.",
    "Bricks in rows.",
    "A rocket starts.",
    "A woman.",
)
SERVICES = ("web", "worker", "train-worker", "redis", "postgres")
IMAGE = "contextvision"
_MINE = "/data/models/mine"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.containers")
    parser.add_argument("--former", help="tag or commit of the release that is upgraded from")
    parser.add_argument("--only", choices=("starter", "clip", "upgrade", "one"), action="append")
    options = parser.parse_args()
    wanted = options.only or ["starter", "clip", "one", *(["upgrade"] if options.former else [])]
    with tempfile.TemporaryDirectory() as folder:
        now = checkout(Path(folder) / "now", None)
        measured("image built", lambda: build(now, IMAGE, "--target", "site"))
        if "starter" in wanted:
            run(now, "cv-starter", "starter")
        if "clip" in wanted:
            run(now, "cv-clip", _MINE, make_clip(Path(folder) / "clip"))
        if "one" in wanted:
            measured("one container: image built", lambda: build(now, f"{IMAGE}-one"))
            one_container()
        if "upgrade" in wanted:
            former = checkout(Path(folder) / "former", options.former)
            build(former, f"{IMAGE}-former")
            upgrade(former, now)


def measured(what: str, act: Callable[[], Any]) -> Any:
    started = time.monotonic()
    result = act()
    print(f"| {what} | {time.monotonic() - started:.1f} s |", flush=True)  # noqa: T201
    return result


def checkout(folder: Path, commit: str | None) -> Path:
    """Copy what git knows: of a commit, or of the files as they are."""
    folder.mkdir()
    # Modes as in a clone: the engine takes other ones for a change, and builds everything anew.
    git = ["git", "-C", str(REPOSITORY), "-c", "tar.umask=0022"]
    if commit:
        archive = subprocess.run([*git, "archive", commit], check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", str(folder)], check=True, input=archive)
        return folder
    listed = subprocess.run([*git, "ls-files", "-z"], check=True, capture_output=True, text=True)
    for name in listed.stdout.rstrip("\0").split("\0"):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    return folder


def build(folder: Path, tag: str, *options: str) -> None:
    command = ["docker", "build", "--quiet", *options, "--tag", tag, str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def started(folder: Path, project: str, model: str, clip: Path | None = None) -> ComposeSite:
    site = ComposeSite(folder, project, model)
    site.write_settings()
    site.compose("down", "--volumes", "--remove-orphans")
    if clip is not None:
        mine = ("--volume", f"{clip}:/mine:ro", "web", "cp", "-r", "/mine", _MINE)
        site.compose("run", "--rm", "--no-deps", *mine)
    measured(f"{project}: up", lambda: site.compose("up", "--detach", "--no-build"))
    wait_for_page(site)
    site.make_keeper()
    fill(site)
    site.wait_until_ready()
    return site


def fill(site: ComposeSite) -> None:
    for name, caption in zip(PICTURES, CAPTIONS, strict=True):
        site.upload(Path(skimage.data.__file__).parent / name, caption)
    found = lambda: site.wait_until_found(len(PICTURES))  # noqa: E731
    measured(f"{site.project}: first pictures found", found)


def wait_for_page(site: ComposeSite) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with suppress(OSError):
            site.ask("/livez")
            return
        time.sleep(0.5)
    raise AssertionError(site.compose("logs", "--tail", "40"))


def run(folder: Path, project: str, model: str, clip: Path | None = None) -> None:
    site = started(folder, project, model, clip)
    try:
        time.sleep(15)  # captions are read by then
        answers, data = site.answers(), site.data()
        for service in SERVICES:
            restart = lambda name=service: site.compose("restart", name)  # noqa: E731
            measured(f"{project}: restart {service}", restart)
            measured(f"{project}: ready after that", site.wait_until_ready)
            assert site.answers() == answers, service
        measured(f"{project}: stop", lambda: site.compose("stop"))
        site.compose("down")
        site.compose("up", "--detach", "--no-build")
        measured(f"{project}: ready after down and up", site.wait_until_ready)
        assert (site.answers(), site.data()) == (answers, data)
        site.manage("doctor")
        site.manage("check", "--deploy", "--database", "default")
        print(f"{project}: nothing lost", flush=True)  # noqa: T201
    finally:
        site.compose("down", "--volumes", "--remove-orphans")


def upgrade(former: Path, now: Path) -> None:
    """From the release before, while visitors search."""
    docker("tag", IMAGE, f"{IMAGE}:now")
    docker("tag", f"{IMAGE}-former", IMAGE)
    site = started(former, "cv-upgrade", "starter")
    try:
        data = site.data()
        visitors = Visitors(site)
        visitors.start()
        time.sleep(5)
        docker("tag", f"{IMAGE}:now", IMAGE)
        site.use(now)
        measured("upgrade: up", lambda: site.compose("up", "--detach", "--no-build"))
        measured("upgrade: ready", site.wait_until_ready)
        time.sleep(10)
        visitors.stop()
        print(f"upgrade: {visitors}", flush=True)  # noqa: T201
        after = site.data()
        for name, value in data.items():
            assert after[name] == value, f"{name}: {value[:300]} is now {after[name][:300]}"
        site.manage("doctor")
        assert visitors.failed == 0, visitors
    finally:
        site.compose("down", "--volumes", "--remove-orphans")
        docker("tag", f"{IMAGE}:now", IMAGE)


class Visitors(threading.Thread):
    """Four people who search one after the other, and try again where nobody takes the call."""

    def __init__(self, site: ComposeSite) -> None:
        super().__init__(daemon=True)
        self._site = site
        self._ended = threading.Event()
        self._counting = threading.Lock()
        self.answers: Counter[str] = Counter()
        self.slowest = self.longest_gap = 0.0
        self._answered_at = time.monotonic()

    def run(self) -> None:
        people = [threading.Thread(target=self._search, daemon=True) for _ in range(4)]
        for each in people:
            each.start()
        for each in people:
            each.join()

    def stop(self) -> None:
        self._ended.set()
        self.join(90)

    @property
    def failed(self) -> int:
        return sum(count for kind, count in self.answers.items() if kind.isdecimal())

    def _search(self) -> None:
        while not self._ended.wait(0.5):
            asked = time.monotonic()
            try:
                hits = self._site.ask("/api/v1/search/?q=a+cup+of+coffee")["results"]
                kind = "answered" if hits else "000"
            except urllib.error.HTTPError as error:
                kind = str(error.code)
            except OSError:
                kind = "not connected"
            with self._counting:
                self.answers[kind] += 1
                now = time.monotonic()
                if kind == "answered":
                    self.slowest = max(self.slowest, now - asked)
                    self.longest_gap = max(self.longest_gap, now - self._answered_at)
                    self._answered_at = now

    def __str__(self) -> str:
        return (
            f"{dict(self.answers)}, slowest answer {self.slowest:.1f} s, longest time without one "
            f"{self.longest_gap:.1f} s"
        )


def one_container() -> None:
    """As a Hugging Face Space starts it: as user 1000, with what a Space sets."""
    site = ComposeSite(Path(), "one", "starter", host="someone-contextvision.hf.space")
    given = {
        "SPACE_HOST": site.host,
        "CONTEXTVISION_FRAME_ANCESTORS": "https://huggingface.co",
        "DJANGO_SUPERUSER_USERNAME": NAME,
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    }
    options = [part for name, value in given.items() for part in ("--env", f"{name}={value}")]
    options += ["--user", "1000", "--publish", f"127.0.0.1:{site.port}:7860"]
    container = docker("run", "--detach", *options, f"{IMAGE}-one")
    try:
        measured("one container: pages", lambda: wait_for_page(site))
        site.sign_in()
        fill(site)
        measured("one container: ready", site.wait_until_ready)
        measured("one container: stop", lambda: docker("stop", "--time", "60", container))
        assert docker("inspect", "--format", "{{.State.ExitCode}}", container) == "0"
    except BaseException:
        print(docker("logs", "--tail", "60", container), flush=True)  # noqa: T201
        raise
    finally:
        docker("rm", "--force", "--volumes", container)


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
