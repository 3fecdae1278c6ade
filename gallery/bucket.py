"""Pictures as private objects of an S3-compatible bucket; boto3 is imported nowhere else.

Nobody but this program reads the bucket: visitors get their files from the media views, which ask
for permission first, so there are no addresses to hand out and none are made.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from errno import ENOENT
from functools import cached_property, partial
from http import HTTPStatus
from typing import Any, NoReturn

from boto3.exceptions import Boto3Error
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from django.core.files import File
from django.core.files.base import ContentFile
from django.utils.deconstruct import deconstructible
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

from gallery.storage import StorageUnavailableError

CONNECT_TIMEOUT = 2.0
"""Seconds; a bucket that is there answers in a fraction of one."""
READ_TIMEOUT = 10.0
"""Seconds without a byte, after which an answer is given up."""
ATTEMPTS = 2
"""The second one meets the connections that a server closed while they were idle."""
CONNECTIONS = 48
"""Kept open: as many as the web server has threads."""
PAUSE = 2.0
"""Seconds for which a bucket that could not be reached is not asked again. Without it, one page of
thumbnails would hold every thread of the web server for several seconds, and searches with them."""


class BucketFile(File):  # type: ignore[type-arg]
    """An object while it is read: its bytes pass through, none are kept."""

    def __init__(self, name: str, answer: Mapping[str, Any], bucket: str) -> None:
        super().__init__(answer["Body"], name)
        self.mode = "rb"
        self.modified: datetime = answer["LastModified"]
        self._body = answer["Body"]
        self._size = int(answer["ContentLength"])
        self._bucket = bucket

    @property
    def size(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        with _outages_told(self._bucket):
            data: bytes = self._body.read(None if size < 0 else size)
            return data


@deconstructible(path="gallery.bucket.BucketStorage")
class BucketStorage(S3Storage):  # type: ignore[misc]
    """Django's storage over one bucket, or the part of it under a prefix.

    An object appears whole or not at all, because it is sent in one request with the hash of its
    bytes. Names are made from content hashes, so one that is taken holds the same bytes already.

    Every method below raises :class:`StorageUnavailableError` where the bucket does not answer,
    does not exist or refuses; ``open`` and ``size`` raise :class:`FileNotFoundError` where it
    answers that there is no such object.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._paused_until = 0.0

    @cached_property
    def client(self) -> Any:
        """The one client of all threads; each takes 13 MB and a quarter of a second to make."""
        return self.new_client()

    def new_client(self, **options: Any) -> Any:
        """Make a client; ``options`` are those of botocore's ``Config``."""
        config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=CONNECTIONS,
            # Many servers that speak S3 do not know the newer hashes; MD5 is sent instead.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            # Servers at an address of their own seldom have a host name for each bucket.
            s3={"addressing_style": "path" if self.endpoint_url else "auto"},
        )
        return self._create_session().client(
            "s3",
            region_name=self.region_name,
            endpoint_url=self.endpoint_url,
            config=config.merge(Config(**options)),
        )

    def key(self, name: str) -> str:
        """Return the name of a file's object."""
        return str(self._normalize_name(clean_name(name)))

    def _open(self, name: str, mode: str = "rb") -> BucketFile:
        if mode != "rb":
            raise ValueError(f"Files in a bucket are opened with mode 'rb', not {mode!r}.")
        with self._asked():
            try:
                answer = self.client.get_object(Bucket=self.bucket_name, Key=self.key(name))
            except self.client.exceptions.NoSuchKey as error:
                raise FileNotFoundError(ENOENT, "No such object in the bucket", name) from error
        return BucketFile(name, answer, self.bucket_name)

    def _save(self, name: str, content: "File[bytes]") -> str:
        data = b"".join(content.chunks())  # at most the size of one upload, and in memory anyhow
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        with self._asked():
            self.client.put_object(
                Bucket=self.bucket_name,
                Key=self.key(name),
                Body=data,
                ContentMD5=base64.b64encode(digest).decode(),
            )
        return name

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""
        with self._asked():
            self.client.delete_object(Bucket=self.bucket_name, Key=self.key(name))

    def exists(self, name: str) -> bool:
        """Tell whether there is such a file."""
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        """Return the size of a file in bytes.

        Asked for by GET: the answer to HEAD does not tell a missing object from a missing bucket.
        """
        with self._open(name) as file:
            return file.size

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """Name the folders and the files in a folder; both are empty where there is none."""
        folders: list[str] = []
        files: list[str] = []
        prefix = f"{self.key(path)}/"
        with self._asked():
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket_name, Prefix=prefix, Delimiter="/"):
                inner = page.get("CommonPrefixes", ())
                folders += [entry["Prefix"][len(prefix) : -1] for entry in inner]
                files += [entry["Key"][len(prefix) :] for entry in page.get("Contents", ())]
        return folders, files

    def states(self) -> Iterator[tuple[str, int, str]]:
        """Yield the name, the size in bytes and the ETag of every file, by name."""
        prefix = f"{self.location.rstrip('/')}/" if self.location else ""
        with self._asked():
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket_name, Prefix=prefix):
                for entry in page.get("Contents", ()):
                    yield entry["Key"][len(prefix) :], entry["Size"], entry["ETag"].strip('"')

    def get_modified_time(self, name: str) -> datetime:
        """Return when a file was written, by the bucket's clock."""
        with self._open(name) as file:
            return file.modified

    def url(self, name: str | None, *args: Any, **options: Any) -> NoReturn:
        raise NotImplementedError("Objects have no public address: link to the media views.")

    def probe(self) -> bool:
        """Write, read and delete an object, and tell whether a stranger could have read it."""
        name = f".probe-{secrets.token_hex(8)}"
        self.save(name, ContentFile(b"written by a check"))
        try:
            with self.open(name) as file:
                file.read()
            is_public = self._is_open_to_strangers(name)
        finally:
            self.delete(name)
        # Without leave to list, a missing object would be answered like a forbidden one.
        self.exists(name)
        return is_public

    def _is_open_to_strangers(self, name: str) -> bool:
        stranger = self.new_client(signature_version=UNSIGNED)
        with self._asked():
            try:
                stranger.get_object(Bucket=self.bucket_name, Key=self.key(name))
            except ClientError:
                return False
        return True

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Stand around every request: translate its outage, and remember it for a moment."""
        if time.monotonic() < self._paused_until:
            raise StorageUnavailableError(
                "storage.just_unreachable", "storage.start_server", bucket=self.bucket_name
            )
        try:
            with _outages_told(self.bucket_name):
                yield
        except StorageUnavailableError as error:
            if not isinstance(error.__cause__, ClientError):  # else it was reached, and answered
                self._paused_until = time.monotonic() + PAUSE
            raise


@contextmanager
def _outages_told(bucket: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, Boto3Error, ClientError) as error:
        raise _diagnosed(error, bucket) from error


def _diagnosed(error: Exception, bucket: str) -> StorageUnavailableError:
    """Say what a request failed of, and what an operator can do."""
    unavailable = partial(StorageUnavailableError, bucket=bucket)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return unavailable("storage.no_keys", "storage.set_keys")
    if not isinstance(error, ClientError):
        kind = type(error).__name__
        return unavailable("storage.unreachable", "storage.start_server", error=kind)
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        return unavailable("storage.no_bucket", "storage.make_bucket")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return unavailable("storage.refused", "storage.allow", error=code)
    return unavailable("storage.out_of_order", "storage.wait", error=code, status=str(int(status)))
