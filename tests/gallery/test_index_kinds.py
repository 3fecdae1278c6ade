"""Choosing the kind of an index from the command line, and searching in it."""

import io

import pytest
from django.core.management import CommandError, call_command

from gallery.models import Image, IndexVersion
from gallery.selectors import sample_captions
from search.query import SearchQuery
from search.services import search_images


def build_index(*options: str) -> str:
    out = io.StringIO()
    call_command("build_index", *options, stdout=out)
    return out.getvalue()


def test_explains_without_building(indexed: dict[str, Image]) -> None:
    before = IndexVersion.objects.count()
    assert "Exact search over 8 vectors: up to 100,000 pictures" in build_index("--explain")
    assert "it was asked for" in build_index("--explain", "--spec", "ivf_sq8")
    assert IndexVersion.objects.count() == before


def test_builds_what_was_asked_for_and_finds_the_same(indexed: dict[str, Image]) -> None:
    build_index("--spec", "ivf_sq8")
    live = IndexVersion.objects.active()
    assert live is not None
    assert live.manifest["kind"] == "ivf_sq8"
    assert live.manifest["tuning"]["queries"] == 16  # eight pictures and their eight captions
    for colour, picture in indexed.items():
        page = search_images(SearchQuery.of(colour), user=None)
        assert page.results[0].image == picture
        assert page.engine.version == live


def test_the_size_decides_where_nothing_is_asked(indexed: dict[str, Image]) -> None:
    build_index()
    live = IndexVersion.objects.active()
    assert live is not None
    assert live.manifest["kind"] == "flat"


def test_an_unknown_kind_is_refused(indexed: dict[str, Image]) -> None:
    with pytest.raises(CommandError, match="invalid choice: 'hnsw'"):
        build_index("--spec", "hnsw")


def test_captions_are_sampled_from_all_pictures(indexed: dict[str, Image]) -> None:
    assert len(sample_captions(100)) == 8
    assert len({caption.text for caption in sample_captions(4)}) == 4
