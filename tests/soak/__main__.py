"""Search, rebuild and kill for so many minutes, and look at every answer.

    DATABASE_URL=postgres://... python -m tests.soak --minutes 60

The database of that address is only where another one is made for the time of the soak, and
removed again. gunicorn, two workers and a Redis run as processes of their own, and are started
again when they die. Once a minute one of them, the web server's process or all connections of the
database are killed. Every answer is compared with what was found before; the exit status is 1 where
one was wrong, or 5xx but a 503 in words, or where something was not as it should be in the end.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.services import free_port
from tests.soak.site import Site
from tests.soak.visitors import Visitors, ask, found, is_allowed

if TYPE_CHECKING:
    from gallery.models import Job

T = TypeVar("T")

START, END = 180.0, 240.0
"""Seconds until all is ready at the beginning, and until all is done at the end."""


@dataclass
class Soak:
    site: Site
    visitors: Visitors
    database: str
    administration: str
    draw: random.Random
    rebuilds: list["Job"] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    """Of the web server at each kill, in bytes."""

    def run(self, seconds: float, kill_every: float, rebuild_every: float) -> None:
        from gallery.services.versions import request_rebuild

        began = time.monotonic()
        kill_at, rebuild_at = began + kill_every, began + min(rebuild_every, seconds / 3)
        while (now := time.monotonic()) < began + seconds:
            if now >= rebuild_at:
                rebuild_at += rebuild_every
                self.rebuilds.append(retried(request_rebuild))
            # The last one leaves time to be seen to.
            if now >= kill_at and now < began + seconds - kill_every / 2:
                kill_at += kill_every
                self.memory.append(self.site.memory_of_web())
                _say(f"{now - began:5.0f} s: {self.site.kill_one(self.draw, self.cut_connections)}")
            time.sleep(0.2)

    def cut_connections(self) -> None:
        with psycopg.connect(self.administration, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (self.database,),
            )

    def what_is_wrong(self) -> list[str]:
        """Wait for what is under way, and say what is not as it should be."""
        from gallery.models import IndexVersion, Job
        from gallery.services import jobs
        from mlcore.progress import NoProgress

        until = time.monotonic() + END
        while retried(Job.objects.unfinished().exists) and time.monotonic() < until:
            time.sleep(1)
        wrong = [f"unfinished: {job}" for job in Job.objects.unfinished()]
        for job in Job.objects.exclude(status=Job.Status.SUCCEEDED).exclude(kind=Job.Kind.DOCTOR):
            wrong.append(f"{job} {job.status}: {job.error}")
        if IndexVersion.objects.filter(is_active=True).count() != 1:
            wrong.append("not one index is live")
        report = jobs.run_here(
            Job.Kind.DOCTOR, {"thorough": True, "anew": True}, watcher=NoProgress()
        ).result
        wrong += [f"doctor: {each}" for each in report["examples"]]
        tally = self.visitors.tally
        return [*wrong, *(kind for kind in tally.answers if not is_allowed(kind)), *tally.examples]

    def report(self) -> None:
        tally = self.visitors.tally
        _say(f"answers: {dict(tally.answers.most_common())}")
        _say(
            f"right answers: p50 {1000 * tally.percentile(50):.0f} ms, "
            f"p95 {1000 * tally.percentile(95):.0f} ms, p99 {tally.percentile(99):.1f} s, "
            f"slowest {max(tally.seconds, default=0):.1f} s; "
            f"longest time without one {tally.longest_gap:.1f} s"
        )
        _say(f"calls that were not taken or cut off and made again: {tally.calls_again}")
        _say(f"killed: {dict(self.site.kills)}")
        starts = {name: program.starts for name, program in self.site.programs.items()}
        _say(f"started: {starts}")
        _say(f"rebuilds asked for: {len(self.rebuilds)}")
        _say(f"memory of the web server at kills, MB: {[each >> 20 for each in self.memory]}")


def retried(act: Callable[[], T]) -> T:
    """Ask the database, once more where this connection was among those that were cut."""
    from django.db import OperationalError, connection

    try:
        return act()
    except OperationalError:
        connection.close()
        return act()


@contextmanager
def database_of_its_own(address: str) -> Iterator[tuple[str, str]]:
    """Make a database; yield its name and address, and remove it in the end."""
    name = f"soak_{os.getpid()}"
    named = sql.Identifier(name)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(named))
    try:
        yield name, urlunsplit(urlsplit(address)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(named))


def prepare(folder: Path, address: str, redis_port: int) -> dict[str, str]:
    """Set this process up for the site, fill it, and return the variables of its programs."""
    os.environ |= {
        "DATABASE_URL": address,
        "DJANGO_SETTINGS_MODULE": "contextvision_site.settings",
        "CELERY_BROKER_URL": f"redis://127.0.0.1:{redis_port}/0",
        "CACHE_URL": f"redis://127.0.0.1:{redis_port}/1",
        "CONTEXTVISION_DATA_DIR": str(folder),
        "CONTEXTVISION_MODEL": str(folder / "model" / "learnt"),
        "CONTEXTVISION_SENTENCE_MODEL": str(folder / "model" / "sentences"),
        "CONTEXTVISION_THROTTLE_ANONYMOUS": "1000000/minute",
        "CONTEXTVISION_DISK_RESERVE_MB": "64",
        "CONTEXTVISION_DOCTOR_HOUR": "off",
    }
    import django

    django.setup()
    from django.core.management import call_command

    from tests.mlcore.sentence_factory import make_sentences
    from tests.pictures_of_colours import index_everything
    from tests.tuning import captioned_gallery, learnt_model

    learnt_model(folder / "model")
    make_sentences(folder / "model" / "sentences")
    call_command("migrate", verbosity=0)
    captioned_gallery()
    index_everything()
    return dict(os.environ)


def known_answers(port: int) -> dict[str, list[int]]:
    """Wait until the site answers, and return what is found for each colour: pictures of it."""
    from gallery.models import Image
    from tests.encoders import COLOURS

    titles = dict(Image.objects.values_list("pk", "title"))
    until = time.monotonic() + START
    expected: dict[str, list[int]] = {}
    while len(expected) < len(COLOURS):
        for colour in COLOURS:
            answer = ask(port, colour)
            if answer and answer[0] == 200:
                expected[colour] = found(answer[1])
        if time.monotonic() > until:
            raise SystemExit("The site does not answer.")
        time.sleep(0.5)
    for colour, pictures in expected.items():
        shown = [titles[pk] for pk in pictures]
        if not shown or not all(title.startswith(colour) for title in shown):
            raise SystemExit(f"{colour}: {shown}")
    return expected


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--pace", type=float, default=10, help="searches a second (10)")
    parser.add_argument("--kill-every", type=float, default=60, help="seconds (60)")
    parser.add_argument("--rebuild-every", type=float, default=300, help="seconds (300)")
    parser.add_argument("--seed", type=int, default=1, help="of what is killed (1)")
    options = parser.parse_args()
    address = os.environ.get("DATABASE_URL", "")
    if not address.startswith("postgres"):
        raise SystemExit("DATABASE_URL has to name a PostgreSQL.")
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        database_of_its_own(address) as (name, own),
    ):
        port, redis_port = free_port(), free_port()
        site = Site(Path(folder), port, redis_port, prepare(Path(folder), own, redis_port))
        site.start()
        try:
            visitors = Visitors(port, known_answers(port), options.pace)
            soak = Soak(site, visitors, name, address, random.Random(options.seed))
            visitors.start()
            soak.run(60 * options.minutes, options.kill_every, options.rebuild_every)
            visitors.stop()
            wrong = soak.what_is_wrong()
            soak.report()
        finally:
            site.stop()
            from django.db import connections

            connections.close_all()
    for each in wrong:
        _say(f"WRONG {each}")
    return 1 if wrong else 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
