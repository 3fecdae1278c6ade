"""Whatever a caption holds, what is written into a data set comes out of it."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlcore.layouts import open_source
from mlcore.layouts.listing import MAX_CAPTION
from mlcore.metadata.sanitize import clean_line
from tests.data_sets import LAYOUTS, Sample
from tests.services import effort

TOGETHER = 20
CASES = 50 * effort()
"""Data sets for each layout; times ``TOGETHER`` at least 1,000 captions."""

PIECES = st.sampled_from(
    [
        *'",;|\t\n\r\\#=\'{}[] ', '""', '\\"\n', "a dog", "1.jpg", "1.jpg#0\t", "éß", "犬", "😀",
        "👩\u200d👧", "كلب", "שלום", "\u202e", "\u2066", "\u200b", "\x85", "\u2028",
    ]
)  # fmt: skip
CAPTIONS = st.one_of(
    st.lists(PIECES, min_size=1, max_size=12).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
)
OF_LINES = frozenset({"flickr8k", "tokens", "tabs", "bars", "beside", "webdataset"})
"""Where a caption is one line, and who writes it has made it one."""


def cleaned(caption: str) -> str:
    return clean_line(caption, MAX_CAPTION)


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(captions=st.lists(CAPTIONS.filter(cleaned), min_size=TOGETHER, max_size=TOGETHER))
def test_it_comes_back(layout: str, captions: list[str]) -> None:
    written = [cleaned(caption) if layout in OF_LINES else caption for caption in captions]
    samples = [Sample(str(at), b"%d" % at, (text,), "train") for at, text in enumerate(written)]
    with (
        tempfile.TemporaryDirectory() as folder,
        open_source(LAYOUTS[layout](Path(folder), samples)) as source,
    ):
        assert source.odd == ()
        back = {int(record.read()): record.captions for record in source}
    assert back == {at: (cleaned(caption),) for at, caption in enumerate(captions)}
