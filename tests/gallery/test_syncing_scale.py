"""What a look into a large source costs where nothing, or one thing, has changed."""

import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gallery.models import Job, SyncedFile, SyncSource
from gallery.services import jobs, syncing
from gallery.uploads import places
from mlcore.layouts.states import FolderListing
from mlcore.progress import NoProgress
from tests.pictures_of_colours import colour_jpeg

pytestmark = pytest.mark.django_db


def settled_source(folder: Path, count: int) -> SyncSource:
    """A source of so many files, all of which its ledger knows."""
    for number in range(count):
        (folder / f"{number // 1_000}").mkdir(parents=True, exist_ok=True)
        (folder / f"{number // 1_000}" / f"{number}.jpg").write_bytes(b"x")
    source = syncing.follow_folder(folder)
    SyncedFile.objects.bulk_create(
        (
            SyncedFile(
                source=source, path=name, size=state.size, stamp=state.stamp, outcome="known"
            )
            for name, state in FolderListing(folder)
        ),
        batch_size=5_000,
    )
    look(source)
    return source


def look(source: SyncSource) -> dict[str, Any]:
    job = jobs.run_here(
        Job.Kind.SYNC, {"source": source.pk}, watcher=NoProgress(), key=source.job_key
    )
    assert job.status == Job.Status.SUCCEEDED, job.error
    return dict(job.result)


def test_the_database_is_not_asked_for_files_that_did_not_change(tmp_path: Path) -> None:
    asked = []
    for count in (3, 300):
        source = settled_source(tmp_path / str(count), count)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert look(source) == {"listed": count, "idle": True}
        asked.append([query["sql"] for query in queries])
    assert len(asked[0]) == len(asked[1])
    assert not any("syncedfile" in sql for sql in asked[1])


@pytest.mark.slow
def test_a_hundred_thousand_files_cost_what_listing_them_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures with ``-s``; docs/data.md tells them. Of the processor, whatever else it does."""
    monkeypatch.setattr(places, "QUIET", 0.0)
    folder = tmp_path / "many"
    source = settled_source(folder, 100_000)

    def seconds(work: Any) -> float:
        rounds = []
        for _ in range(5):
            started = time.process_time()
            work()
            rounds.append(time.process_time() - started)
        return sorted(rounds)[2]

    listing = seconds(lambda: sum(1 for _ in FolderListing(folder)))
    idle = seconds(lambda: look(source))
    (folder / "new.jpg").write_bytes(colour_jpeg("red"))
    started = time.process_time()
    assert look(source)["added"] == 1
    one_new = time.process_time() - started
    print(  # noqa: T201
        f"100,000 files: listed in {listing:.2f} s, looked into in {idle:.2f} s where nothing "
        f"changed, in {one_new:.2f} s with one that is new"
    )
    assert idle < 2 * listing + 1
