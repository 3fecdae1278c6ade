"""What is told where nothing fits."""

import pytest
from django.utils import translation

from gallery.models import Image
from search.query import SearchQuery
from search.relevance import other_language
from search.services import search_images


@pytest.mark.parametrize(
    ("spoken", "read", "told"),
    [("de", ["en"], True), ("en", ["en"], False), ("en-gb", ["en"], False), ("de", [], False)],
)
def test_the_languages_of_the_model_are_told_where_the_page_has_another(
    spoken: str, read: list[str], told: bool
) -> None:
    with translation.override(spoken):
        message = other_language(read)
        assert (message is not None) == told
        assert message is None or "Englisch" in str(message)


def test_nothing_strong_is_told_with_the_reason(
    indexed: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.services.STRONG", 1.1)
    with translation.override("de"):
        page = search_images(SearchQuery.of("red"), user=None)
    assert [notice.code for notice in page.notices] == [
        "search.nothing_strong_of_few",
        "search.other_language",
    ]
    assert page.strong == 0
    assert page.results, "what comes nearest is still there"
