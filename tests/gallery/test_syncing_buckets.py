"""A source in a bucket: the same as a folder, over real HTTP."""

from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from gallery.models import Image, Job, SyncSource
from gallery.services import jobs
from mlcore.progress import NoProgress
from tests.pictures_of_colours import colour_jpeg
from tests.s3 import KEYS, REGION, S3Server

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def bucket(server: S3Server, settings: LazySettings) -> str:
    settings.S3_OPTIONS = {"endpoint_url": server.endpoint, "region_name": REGION, **KEYS}
    return server.make_bucket()


def look(source: SyncSource) -> Job:
    return jobs.run_here(
        Job.Kind.SYNC, {"source": source.pk}, watcher=NoProgress(), key=source.job_key
    )


def test_objects_come_change_and_vanish(server: S3Server, bucket: str) -> None:
    def put(name: str, data: bytes) -> None:
        server.client.put_object(Bucket=bucket, Key=name, Body=data)

    put("in/red.jpg", colour_jpeg("red"))
    put("in/red.txt", b"A red one\n")
    put("in/2026/blue.jpg", colour_jpeg("blue"))
    put("in/.hidden.jpg", colour_jpeg("pink"))
    put("into/other.jpg", colour_jpeg("green"))
    put("in/2026/", b"")
    source = SyncSource.objects.create(address=f"s3://{bucket}/in")
    result = look(source).result
    assert (result["listed"], result["added"], result["captions"]) == (3, 2, 1)
    row = source.files.get(path="red.jpg")
    assert row.image is not None
    assert row.image.sentences == ["A red one"]
    assert look(source).result["idle"]

    put("in/red.jpg", colour_jpeg("red", shade=7))
    server.client.delete_object(Bucket=bucket, Key="in/2026/blue.jpg")
    result = look(source).result
    assert (result["found"], result["replaced"], result["vanished"]) == (1, 1, 1)
    assert Image.objects.count() == 3


def test_a_listing_of_more_than_a_page_and_of_a_whole_bucket(server: S3Server, bucket: str) -> None:
    for number in range(1_002):
        server.client.put_object(Bucket=bucket, Key=f"{number}.txt", Body=b"x")
    server.client.put_object(Bucket=bucket, Key="red.jpg", Body=colour_jpeg("red"))
    source = SyncSource.objects.create(address=f"s3://{bucket}")
    assert look(source).result["listed"] == 1_003


def test_a_bucket_that_is_away_takes_nothing_away(server: S3Server, bucket: str) -> None:
    server.client.put_object(Bucket=bucket, Key="red.jpg", Body=colour_jpeg("red"))
    source = SyncSource.objects.create(address=f"s3://{bucket}")
    look(source)
    with server.away():
        job = look(source)
    assert (job.status, job.is_defect) == (Job.Status.FAILED, False)
    assert source.files.count() == 1
    assert not source.vanished.exists()
