"""Bytes to pictures: duplicates, captions, files, refusals."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from gallery.models import Caption, Image
from gallery.services.images import add_uploads, delete_images, ingest_files, set_captions
from gallery.uploads import ingest as ingesting
from gallery.uploads.ingest import in_batches, ingest
from gallery.uploads.items import Destination, UploadItem
from tests.pictures_of_colours import add_picture, colour_jpeg

pytestmark = pytest.mark.django_db


def stored_files(data_dir: Path) -> set[str]:
    root = data_dir / "media"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_a_picture_gets_a_row_and_three_files(data_dir: Path) -> None:
    image = add_picture("red", captions=("A red picture .", "A red picture .", "  Red  all over "))
    assert (image.width, image.height, image.format) == (48, 40, "JPEG")
    assert image.title == "red-0"
    assert [caption.text for caption in image.captions.all()] == [
        "A red picture .",
        "Red all over",
    ]
    assert stored_files(data_dir) == {
        image.file.name,
        image.display_name,
        image.thumbnail_name,
    }
    with image.file.open("rb") as file:
        assert file.read() == colour_jpeg("red")


def test_the_same_bytes_are_stored_once_and_only_complete_what_is_there(data_dir: Path) -> None:
    first = add_picture("red", captions=("one",))
    files = stored_files(data_dir)
    twin = UploadItem("other name.jpg", colour_jpeg("red"), captions=("one", "two"), split="train")
    [result] = ingest([twin], Destination())
    assert result.image == first
    assert not result.created
    first.refresh_from_db()
    assert first.title == "red-0"
    assert first.split == "train"
    assert [caption.text for caption in first.captions.all()] == ["one", "two"]
    assert stored_files(data_dir) == files


def test_twins_in_one_batch_are_one_picture() -> None:
    data = colour_jpeg("blue")
    first, second = ingest([UploadItem("a.jpg", data), UploadItem("b.jpg", data)], Destination())
    assert first.image == second.image
    assert (first.created, second.created) == (True, False)


def test_a_broken_file_is_named_and_the_rest_goes_in() -> None:
    good, broken, alien = ingest(
        [
            UploadItem("good.jpg", colour_jpeg("red")),
            UploadItem("broken.jpg", colour_jpeg("green", size=(200, 200))[:-400]),
            UploadItem("letter.pdf", b"%PDF-1.7 dear sirs"),
        ],
        Destination(),
    )
    assert good.image is not None
    assert broken.image is None
    assert str(broken.error).startswith("broken.jpg: ")
    assert alien.image is None
    assert "letter.pdf" in str(alien.error)
    assert Image.objects.count() == 1


def test_deleting_removes_row_captions_and_files(
    data_dir: Path, django_capture_on_commit_callbacks: pytest.FixtureRequest
) -> None:
    image = add_picture("red", captions=("one",))
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        assert delete_images([image]) == 1
    assert not Image.objects.exists()
    assert not Caption.objects.exists()
    assert stored_files(data_dir) == set()


def test_captions_are_replaced_in_order_and_remember_where_they_came_from() -> None:
    image = add_picture("red", captions=("one", "two"))
    set_captions(image, ["new", "two", "", "new"])
    rows = list(image.captions.values_list("text", "order", "source"))
    assert rows == [("new", 0, "person"), ("two", 1, "import")]


def test_the_database_itself_refuses_what_no_form_would_let_through() -> None:
    add_picture("red")
    for wrong in ({"sha256": "zz"}, {"width": 0}, {"visibility": "secret"}, {"split": "dev"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Image.objects.update(**wrong)


def test_a_file_appears_whole_or_not_at_all(data_dir: Path) -> None:
    from django.core.files.base import ContentFile

    class Breaking(ContentFile):  # type: ignore[type-arg]
        def chunks(self, chunk_size: int | None = None) -> object:  # type: ignore[override]
            yield b"half"
            raise OSError("the line went dead")

    with pytest.raises(OSError, match="line went dead"):
        default_storage.save("originals/aa/file.jpg", Breaking(b""))
    assert stored_files(data_dir) == set()


class TestBatches:
    """Files that are sent together are taken in together, up to what memory allows."""

    def files(self) -> list[SimpleUploadedFile]:
        return [SimpleUploadedFile(f"{c}.jpg", colour_jpeg(c)) for c in ("red", "blue", "green")]

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize(("batch", "transactions"), [(64, 1), (2, 2), (1, 3)])
    def test_a_batch_is_one_transaction(
        self, batch: int, transactions: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ingesting, "BATCH_FILES", batch)
        with CaptureQueriesContext(connection) as asked:
            results = ingest_files(self.files(), Destination())
        assert [result.created for result in results] == [True, True, True]
        begun = [query for query in asked if query["sql"].startswith("BEGIN")]
        assert len(begun) == transactions

    def test_what_is_known_is_asked_for_once(self) -> None:
        with CaptureQueriesContext(connection) as asked:
            results, _job = add_uploads(self.files(), Destination())
        digests = [result.image.sha256 for result in results if result.image]
        [known] = [query["sql"] for query in asked if '"sha256" IN' in query["sql"]]
        assert all(digest in known for digest in digests)
        assert len(digests) == 3

    def test_a_batch_ends_at_its_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ingesting, "BATCH_BYTES", 5)
        read = []

        def items() -> Iterator[UploadItem]:
            for number in range(5):
                read.append(number)
                yield UploadItem(str(number), b"123")

        batches = in_batches(items())
        assert [item.name for item in next(batches)] == ["0", "1"]
        assert read == [0, 1]
        assert [len(batch) for batch in batches] == [2, 1]
