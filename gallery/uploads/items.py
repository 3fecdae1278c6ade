"""What comes in, where it goes, and what became of it."""

from dataclasses import dataclass

from django.contrib.auth.models import Group, User

from gallery.models import Caption, Collection, Image, Job, Tag
from gallery.models.choices import Split, Visibility
from mlcore.i18n import Message
from mlcore.metadata.photo import PhotoMetadata


@dataclass(frozen=True, slots=True)
class UploadItem:
    """One file on its way in, with what is known about it."""

    name: str
    data: bytes
    captions: tuple[str, ...] = ()
    caption_source: Caption.Source = Caption.Source.IMPORT
    split: str = Split.NONE
    source: str = ""
    said: PhotoMetadata = PhotoMetadata()  # noqa: RUF009 - frozen
    """What came beside it says: it counts before what is in the file."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where new pictures go and to whom they belong."""

    uploader: User | None = None
    owner: User | None = None
    sender: User | None = None
    """Whose rights count over pictures that are there already; None for who runs commands."""
    visibility: str = Visibility.PUBLIC
    groups: tuple[Group, ...] = ()
    """Whose members see them, where they are for groups."""
    collection: Collection | None = None
    tags: tuple[Tag, ...] = ()
    job: Job | None = None
    """The import that brings them."""
    visibility_is_asked: bool = False
    """Whether somebody said who is to see them, and not only the way in."""
    owner_is_asked: bool = False
    updates: frozenset[str] = frozenset()
    """Which of "owner", "visibility", "collection", "split" and "title" to set of pictures that
    are there already, where they differ."""


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What became of one file: a picture, new or known before, or the reason why not."""

    name: str
    image: Image | None
    created: bool = False
    differs: tuple[str, ...] = ()
    """What is otherwise of a picture that was there: "owner", "visibility", "collection",
    "split", "title"."""
    updated: bool = False
    """Whether that was changed, or a split was added that it did not have."""
    captions: int = 0
    """How many it has more than before."""
    tags: int = 0
    """Likewise, without those of the destination."""
    restored: bool = False
    """Whether files of it were missing and are there again."""
    error: Message | None = None
    sha256: str = ""
    """Of the file; empty where it could not be read."""
