"""Which kinds of store there are, which one the settings name, and which one a version is kept in.

No models are imported here: the settings ask too, before there can be any.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.utils.module_loading import import_string

from gallery.vectors.errors import StoreNotNamedError, VectorStoreError
from gallery.vectors.milvus_address import FORM, MilvusAddress

if TYPE_CHECKING:
    from gallery.models import IndexVersion
    from gallery.vectors.base import IndexStore


@dataclass(frozen=True, slots=True)
class Backend:
    """One kind of store."""

    store: str
    """Dotted name of its class, which implements :class:`gallery.vectors.base.IndexStore`."""
    schemes: tuple[str, ...]
    """How addresses of it begin, up to the colon."""
    form: str
    """What an address of it looks like."""
    parse: Callable[[str], object] = str
    """Reads an address; raises ValueError, which never repeats a password."""
    packages: tuple[str, str] | None = None
    """A module that must be installed, and the extra that installs it."""
    home: str = ""
    """An address that is always valid, whatever the settings say; empty where there is none."""


def _no_details(address: str) -> None:
    if ":" in address:
        raise ValueError("Use faiss alone: the files lie in the data folder.")


BACKENDS = {
    "files": Backend(
        "gallery.vectors.files.FileStore",
        schemes=("faiss", "files"),
        form="faiss",
        parse=_no_details,
        home="faiss",
    ),
    "milvus": Backend(
        "gallery.vectors.milvus.MilvusStore",
        schemes=("milvus", "milvus+tls"),
        form=FORM,
        parse=MilvusAddress.parse,
        packages=("pymilvus", "milvus"),
    ),
}
"""By the name that a version's row keeps. Another kind is one module and one entry here."""


def check_address(address: str) -> Backend:
    """Return the kind of store that an address names (ValueError, without any password, where it
    names none)."""
    backend = BACKENDS[_name_in(address)]
    backend.parse(address)
    return backend


def store_for_new() -> "IndexStore":
    """Return the store that the settings name, in which new index versions are made."""
    address = settings.CONTEXTVISION_VECTOR_BACKEND
    return _opened(_name_in(address), address)


def store_of(index: "IndexVersion") -> "IndexStore":
    """Return the store that a version is kept in.

    Raises:
        VectorStoreError: it is in a store that the settings do not name any more, or in one that
            this program does not know.
    """
    backend = BACKENDS.get(index.store)
    if backend is None:
        raise VectorStoreError("vectors.unknown_store", index=str(index.pk), store=index.store)
    address = settings.CONTEXTVISION_VECTOR_BACKEND
    if _name_in(address) != index.store:
        address = backend.home
    if not address:
        raise StoreNotNamedError(
            "vectors.store_not_named", index=str(index.pk), store=index.store, form=backend.form
        )
    return _opened(index.store, address)


def follows_rows(index: "IndexVersion") -> bool:
    """Tell whether a version takes in what comes and goes, wherever its store is just now."""
    backend = BACKENDS.get(index.store)
    return backend is not None and _store_class(backend).follows_rows


def _name_in(address: str) -> str:
    scheme = address.partition(":")[0]
    for name, backend in BACKENDS.items():
        if scheme in backend.schemes:
            return name
    forms = " or ".join(backend.form for backend in BACKENDS.values())
    raise ValueError(f"Use {forms}.")


def _store_class(backend: Backend) -> "type[IndexStore]":
    return cast("type[IndexStore]", import_string(backend.store))


@cache
def _opened(name: str, address: str) -> "IndexStore":
    make = cast("Callable[[str], IndexStore]", _store_class(BACKENDS[name]))
    return make(address)
