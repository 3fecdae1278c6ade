"""Comparing the vector store with the database, and mending it."""

from collections.abc import Iterator
from dataclasses import dataclass

from gallery.models import IndexVersion, Job
from gallery.stores import backend_store, store_of

UNDER_WAY = (Job.Kind.INDEX, Job.Kind.PROMOTE)
"""Jobs that fill versions which no row names yet."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is so of one thing in the vector store."""

    text: str
    differs: bool = False
    """Whether it is not as the database says."""


def compare_vectors(*, mend: bool) -> Iterator[Finding]:
    """Compare every index version that is kept in a vector store with the embedding rows, what is
    live there with what is live here, and look for versions that belong to nothing.

    Args:
        mend: bring the store to what the database says; findings tell then what was different.

    Raises:
        VectorStoreError: it cannot be reached, or refuses.
    """
    for index in IndexVersion.objects.select_related("model_version"):
        found = store_of(index).differences(index, mend=mend)
        if found is not None:
            yield Finding(f"{index}: {found}", bool(found))
    store = backend_store()
    if store is None:
        return
    live = IndexVersion.objects.active()
    if live is not None and live.store == IndexVersion.IN_MILVUS:
        active = store.backend.active()
        if active is None or active.name != live.directory:
            if mend:
                store.went_live(live)
            yield Finding(f"{live} is live, and the store has another one active", True)
    if Job.objects.unfinished().filter(kind__in=UNDER_WAY).exists():
        return  # what belongs to nothing yet may be theirs
    for name in store.strays():
        if mend:
            store.backend.drop(name)
        yield Finding(f"The version {name} belongs to no index", True)
