"""The files of an index version, for tests that look at them or damage them."""

from pathlib import Path

from gallery.models import IndexVersion
from gallery.vectors.files import FileStore
from mlcore.index import VectorIndex


def folder_of(index: IndexVersion) -> Path:
    return FileStore("faiss").folder(index)


def load_files(index: IndexVersion) -> VectorIndex:
    return FileStore("faiss").load(index)
