"""What the store on a server promises beyond the protocol: outages, logins, names."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gallery.models import ImageEmbedding, IndexVersion, ModelVersion
from gallery.vectors.errors import VectorStoreUnavailableError
from gallery.vectors.milvus import MilvusStore
from gallery.vectors.milvus_address import MilvusAddress
from gallery.vectors.reconcile import compare, repair
from mlcore.config import IndexSpec
from mlcore.errors import IndexMismatchError
from mlcore.progress import NoProgress
from tests.gallery.vectors.conftest import MILVUSES
from tests.gallery.vectors.rows import DIM, embed, int64, slow_search, unit_rows
from tests.gallery.vectors.servers import MilvusServer, RealServer, server_of

COMES_BACK = 90.0
"""Seconds in which a server that was killed answers again; Milvus 2.3 loads for about 25."""


@pytest.fixture(params=MILVUSES)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MilvusServer]:
    """A server of this test, which may stop it; not started yet."""
    server = server_of(request.param, tmp_path / "data")
    yield server
    server.kill()


def store_on(server: MilvusServer, options: str = "timeout=3") -> MilvusStore:
    return MilvusStore(f"{server.uri}?{options}")


def built(store: MilvusStore, model: ModelVersion) -> IndexVersion:
    return store.build(model, IndexSpec(), NoProgress(), lambda: None)


def until_it_answers(ask: Callable[[], list[object]]) -> list[object]:
    deadline = time.monotonic() + COMES_BACK
    while True:
        try:
            return ask()
        except VectorStoreUnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def test_an_outage_is_an_error_and_ends_by_itself(
    server: MilvusServer, model: ModelVersion
) -> None:
    server.start()
    store = store_on(server)
    until_it_answers(lambda: [store.locations()])
    embed(model, unit_rows(5))
    index = built(store, model)
    lookup = store.open(index)
    query = unit_rows(1, seed=9)
    before = lookup.search(query, 100)
    assert len(before) == 5
    calls: list[Callable[[], object]] = [
        lambda: lookup.search(query, 100),
        lambda: lookup.candidates(query, 10),
        lookup.check,
        lambda: store.open(index),
        lambda: store.check(index),
        lambda: built(store, model),
        lambda: store.add(index, int64(1), unit_rows(1)),
        lambda: store.delete(index, int64(1)),
        lambda: list(store.records(index)),
        store.locations,
        lambda: store.remove(index.location),
        lambda: compare(store, index),
        lambda: repair(store, index),
        store_on(server).locations,  # it never answered this one
    ]
    server.kill()
    for call in calls:
        started = time.monotonic()
        with pytest.raises(VectorStoreUnavailableError, match=r"127\.0\.0\.1") as refused:
            call()
        assert time.monotonic() - started < 5
        assert "Milvus@" not in str(refused.value)  # the password
    assert IndexVersion.objects.get() == index
    server.start()
    assert until_it_answers(lambda: list(lookup.search(query, 100))) == before
    assert not compare(store, index)


def test_an_answer_of_nothing_where_there_is_something_is_an_outage(
    server_for: Callable[[str], MilvusServer], model: ModelVersion
) -> None:
    """As a server gives for half a minute after it was started again. Here the rows are gone from
    it, which looks the same from outside."""
    store = MilvusStore(server_for("milvus-lite").uri + "?consistency=strong&timeout=20")
    ids = int64(*embed(model, unit_rows(5)))
    index = built(store, model)
    lookup, query = store.open(index), unit_rows(1, seed=9)
    lookup.check()
    strange = int64(10_000)
    assert lookup.search(query, 3, allowed_ids=strange) == []
    assert lookup.search(query, 3, allowed_ids=int64()) == []
    store.delete(index, ids)
    for ask in (
        lambda: lookup.search(query, 3),
        lambda: lookup.search(query, 3, allowed_ids=ids[:1]),
        lambda: lookup.candidates(query, 3),
        lookup.check,
    ):
        with pytest.raises(VectorStoreUnavailableError, match="is still loading"):
            ask()
    # What has no row any more is rightly not found.
    assert lookup.search(query, 3, allowed_ids=strange) == []
    ImageEmbedding.objects.all().delete()
    assert lookup.search(query, 3) == []
    store.remove(index.location)


def test_a_server_that_hangs_is_given_up_in_time(server: MilvusServer, model: ModelVersion) -> None:
    server.start()
    store = store_on(server, "timeout=2")
    until_it_answers(lambda: [store.locations()])
    embed(model, unit_rows(5))
    lookup = store.open(built(store, model))
    query = unit_rows(1, seed=9)
    assert len(lookup.search(query, 10)) == 5
    for process in server.processes():
        hang(process)
    try:
        started = time.monotonic()
        with pytest.raises(VectorStoreUnavailableError, match="does not answer within 2 s"):
            lookup.search(query, 10)
        assert time.monotonic() - started < 3
    finally:
        for process in server.processes():
            os.kill(process, signal.SIGCONT)
    assert len(until_it_answers(lambda: list(lookup.search(query, 10)))) == 5


def hang(process: int) -> None:
    """Stop a process, and wait until each of its threads has stopped: one could still answer."""
    os.kill(process, signal.SIGSTOP)
    until = time.monotonic() + 5
    while any(
        thread.read_text().rpartition(")")[2].split()[0] not in "TtZX"
        for thread in Path(f"/proc/{process}/task").glob("*/stat")
    ):
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.slow
def test_a_wrong_login_is_an_error_that_does_not_show_it(tmp_path: Path) -> None:
    server = server_of("milvus", tmp_path / "data")
    assert isinstance(server, RealServer)
    server.start()
    try:
        for login in ("", "root:secret@"):
            address = f"milvus://{login}127.0.0.1:{server.port}"
            with pytest.raises(VectorStoreUnavailableError, match="login") as refused:
                MilvusStore(address).locations()
            assert "secret" not in str(refused.value)
            assert "secret" not in repr(MilvusAddress.parse(address))
        assert store_on(server).locations() == []
    finally:
        server.kill()


def test_collections_of_others_are_left_alone(
    server_for: Callable[[str], MilvusServer], model: ModelVersion
) -> None:
    uri = server_for("milvus-lite").uri + "?timeout=20"
    ours, theirs = MilvusStore(uri, prefix="ours__"), MilvusStore(uri, prefix="theirs__")
    embed(model, unit_rows(2))
    index = built(theirs, model)
    assert ours.locations() == []
    assert theirs.locations() == [index.location]
    client = ours._connection.client()
    client.create_collection("ours__foreign", dimension=DIM)
    index.location = "foreign"
    with pytest.raises(IndexMismatchError, match="another model"):
        ours.open(index)
    for store in (ours, theirs):
        for location in store.locations():
            store.remove(location)


def test_a_long_list_is_searched_in_pieces(
    server_for: Callable[[str], MilvusServer], model: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best of all are among the best of each piece, and none comes twice."""
    monkeypatch.setattr("gallery.vectors.milvus.IDS_AT_ONCE", 7)
    store = MilvusStore(server_for("milvus-lite").uri + "?timeout=20", prefix="pieces__")
    keys = embed(model, unit_rows(30))
    lookup = store.open(built(store, model))
    query = unit_rows(1, seed=9)
    allowed = np.array([*keys, *keys[:5]], dtype=np.int64)
    inside = lookup.search(query, 12, allowed_ids=allowed)
    assert [hit.image_id for hit in inside] == slow_search(model, query, 12)
    for location in store.locations():
        store.remove(location)


class TestAddress:
    def test_everything_that_it_may_say(self) -> None:
        address = MilvusAddress.parse(
            "milvus+tls://me:p%40ss%2Fword@vectors.example:1234/db?consistency=strong&timeout=1.5"
        )
        assert address == MilvusAddress(
            "vectors.example", 1234, True, "me:p@ss/word", "db", "strong", 1.5
        )
        assert address.url == "https://vectors.example:1234"
        assert str(address) == "vectors.example:1234"

    def test_the_least_that_it_may_say(self) -> None:
        address = MilvusAddress.parse("milvus://localhost")
        assert address == MilvusAddress("localhost")
        assert address.url == "http://localhost:19530"

    def test_a_name_alone_is_a_token(self) -> None:
        assert MilvusAddress.parse("milvus://key@host").token == "key"
        assert MilvusAddress.parse("milvus://[::1]:9").url == "http://[::1]:9"

    @pytest.mark.parametrize(
        ("address", "why"),
        [
            ("http://u:secret@host", "begin with"),
            ("milvus://", "no host"),
            ("milvus://u:secret@host:port", "port"),
            ("milvus://u:secret@host:99999", "port"),
            ("milvus://u:secret@host?consistency=often", "consistency"),
            ("milvus://u:secret@host?timeout=0", "timeout"),
            ("milvus://u:secret@host?timeout=nan", "timeout"),
            ("milvus://u:secret@host?pool=3", "pool"),
        ],
    )
    def test_what_it_may_not_say(self, address: str, why: str) -> None:
        with pytest.raises(ValueError, match=why) as refused:
            MilvusAddress.parse(address)
        assert "secret" not in str(refused.value)
