"""A line that is meant for one file is for that file alone, whichever way it is sent."""

import time
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError

from gallery.forms.uploads import MOST_CAPTIONS, sort_captions
from gallery.models import Image, Job
from gallery.services import jobs
from mlcore.progress import NoProgress
from tests.pictures_of_colours import colour_jpeg

LINES = ["red.jpg: A red one", "For all", "Note: also for all", "other.PNG: Another"]


def test_a_line_for_a_file_that_is_not_in_this_request() -> None:
    captions = sort_captions(LINES, ["blue.jpg"])
    assert captions.for_all == ("For all", "Note: also for all")
    assert captions.by_name == {"red.jpg": ("A red one",), "other.PNG": ("Another",)}


def test_many_lines_for_many_files_are_sorted_quickly() -> None:
    """As much as a form may hold; the time of this process alone counts."""
    names = [f"picture-{number:03d}.jpg" for number in range(400)]
    lines = [f"{names[n % 400]}: {n}" for n in range(190_000)]
    started = time.process_time()
    with pytest.raises(ValidationError, match="1000"):
        sort_captions([*lines, *(f"{names[7]}: more" for _ in range(600))], names)
    captions = sort_captions(lines, names)
    assert time.process_time() - started < 3
    assert {len(texts) for texts in captions.by_name.values()} == {475}
    assert captions.by_name[names[3]][:2] == ("3", "403")


def test_a_picture_gets_no_more_captions_than_can_be_kept() -> None:
    lines = [f"caption {number}" for number in range(MOST_CAPTIONS)]
    assert len(sort_captions(lines, []).for_all) == MOST_CAPTIONS
    with pytest.raises(ValidationError, match="1001 captions"):
        sort_captions([*lines, "a.jpg: one more"], ["a.jpg"])


def test_names_with_colons() -> None:
    captions = sort_captions(["a:b.jpg: words", ":: words", "a:b"], ["a:b.jpg"])
    assert captions.by_name == {"a:b.jpg": ("words",)}
    assert captions.for_all == (":: words", "a:b")


@pytest.mark.django_db
def test_a_line_for_a_file_in_an_archive_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for colour in ("red", "blue"):
        (tmp_path / "in" / f"{colour}.jpg").write_bytes(colour_jpeg(colour))
    params = {
        "path": str(tmp_path),
        "captions": ["For all"],
        "captions_by_name": {"red.jpg": ["A red one"]},
    }
    jobs.run_here(Job.Kind.IMPORT, params, watcher=NoProgress())
    assert Image.objects.get(title="red").sentences == ["A red one", "For all"]
    assert Image.objects.get(title="blue").sentences == ["For all"]
