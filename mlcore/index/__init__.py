"""Nearest-neighbour search over unit vectors, and its immutable directory on disk.

Exact up to about 100,000 vectors: FAISS proposes candidates in float32 and their scores are
computed again in float64, so that a score is a function of the query and the picture alone and does
not depend on how many queries were asked at once, on where the picture is stored, or on whether it
came from the index or from the :class:`FreshTail`. Above that, inverted lists (:mod:`.kinds`),
tuned when they are built to the recall that was asked for (:mod:`.tuning`).

FAISS alone reports missing neighbours as id -1, accepts an id twice, and breaks ties as it likes;
everything here returns plain :class:`Hit` lists in one fixed order, and refuses bad input with a
sentence.
"""

from mlcore.index.files import TEMPORARY_PREFIX, FileRecord, remove_stale_builds
from mlcore.index.hits import Hit, merge_hits
from mlcore.index.kinds import Choice, choose_kind
from mlcore.index.manifest import IndexManifest, read_array
from mlcore.index.tail import FreshTail, search_with_tail
from mlcore.index.tuning import Tuning
from mlcore.index.vectors import VectorIndex

__all__ = [
    "TEMPORARY_PREFIX",
    "Choice",
    "FileRecord",
    "FreshTail",
    "Hit",
    "IndexManifest",
    "Tuning",
    "VectorIndex",
    "choose_kind",
    "merge_hits",
    "read_array",
    "remove_stale_builds",
    "search_with_tail",
]
