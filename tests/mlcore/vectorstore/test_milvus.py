"""What the store on a server promises beyond the protocol: outages, logins, limits, quoting."""

import ast
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.errors import IndexMismatchError, InvalidQueryError
from mlcore.vectorstore import (
    ACTIVE,
    FaissBackend,
    Filter,
    MilvusAddress,
    MilvusBackend,
    VectorStoreUnavailableError,
    check,
    mend,
    open_store,
)
from mlcore.vectorstore.expressions import literal
from mlcore.vectorstore.milvus import MOST_DENIED, MOST_HITS
from tests.mlcore.vectorstore.conftest import MILVUSES
from tests.mlcore.vectorstore.servers import MilvusServer, RealServer, server_of
from tests.mlcore.vectorstore.vectors import DIM, MODEL, int64, unit_rows

COMES_BACK = 90.0
"""Seconds in which a server that was killed answers again; Milvus 2.3 loads for about 25."""


@pytest.fixture(params=MILVUSES)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MilvusServer]:
    """A server of this test, which may stop it; not started yet."""
    server = server_of(request.param, tmp_path / "data")
    yield server
    server.kill()


def store_on(server: MilvusServer, options: str = "timeout=3") -> MilvusBackend:
    return MilvusBackend(MilvusAddress.parse(f"{server.uri}?{options}"))


def found(store: MilvusBackend) -> list[int]:
    [hits] = store.search(ACTIVE, unit_rows(1, seed=9), 100, fingerprint=MODEL)
    return [hit.image_id for hit in hits]


def until_it_answers(ask: Callable[[], list[int]]) -> list[int]:
    deadline = time.monotonic() + COMES_BACK
    while True:
        try:
            return ask()
        except VectorStoreUnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def test_an_outage_is_an_error_and_ends_by_itself(server: MilvusServer) -> None:
    store = store_on(server)
    calls: list[Callable[[], object]] = [
        lambda: found(store),
        lambda: store.count("first"),
        lambda: list(store.ids("first")),
        lambda: list(store.records("first")),
        store.active,
        store.versions,
        lambda: store.info("first"),
        lambda: store.create_version("first", dim=DIM, fingerprint=MODEL),
        lambda: store.upsert("first", int64(1), unit_rows(1), fingerprint=MODEL),
        lambda: store.delete("first", int64(1)),
        lambda: store.activate("first"),
        lambda: store.drop("first"),
        lambda: check(store, "first", [], fingerprint=MODEL),
        lambda: mend(store, "first", [], fingerprint=MODEL),
    ]

    def all_are_refused() -> None:
        for call in calls:
            started = time.monotonic()
            with pytest.raises(VectorStoreUnavailableError, match=r"127\.0\.0\.1") as refused:
                call()
            assert time.monotonic() - started < 5
            assert "Milvus@" not in str(refused.value)  # the password

    all_are_refused()  # it never answered yet
    server.start()
    until_it_answers(lambda: [len(store.versions())])
    store.create_version("first", dim=DIM, fingerprint=MODEL)
    store.upsert("first", np.arange(5), unit_rows(5), fingerprint=MODEL)
    store.activate("first")
    before = found(store)
    assert len(before) == 5
    server.kill()
    all_are_refused()
    server.start()
    assert until_it_answers(lambda: found(store)) == before
    assert store.count("first") == 5


def test_a_server_that_hangs_is_given_up_in_time(server: MilvusServer) -> None:
    server.start()
    store = store_on(server, "timeout=2")
    until_it_answers(lambda: [len(store.versions())])
    store.create_version("first", dim=DIM, fingerprint=MODEL)
    store.upsert("first", np.arange(5), unit_rows(5), fingerprint=MODEL)
    store.activate("first")
    assert len(found(store)) == 5
    for process in server.processes():
        hang(process)
    try:
        started = time.monotonic()
        with pytest.raises(VectorStoreUnavailableError, match="does not answer within 2 s"):
            found(store)
        assert time.monotonic() - started < 3
    finally:
        for process in server.processes():
            os.kill(process, signal.SIGCONT)
    assert len(until_it_answers(lambda: found(store))) == 5


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
            address = MilvusAddress.parse(f"milvus://{login}127.0.0.1:{server.port}")
            with pytest.raises(VectorStoreUnavailableError, match="login") as refused:
                MilvusBackend(address).versions()
            assert "secret" not in str(refused.value)
            assert "secret" not in repr(address)
        assert store_on(server).versions() == []
    finally:
        server.kill()


@pytest.fixture
def shared(server_for: Callable[[str], MilvusServer], tmp_path: Path) -> MilvusBackend:
    namespace = f"test{tmp_path.name.replace('_', '')[-20:]}{os.getpid()}".lower()
    return MilvusBackend(
        MilvusAddress.parse(server_for("milvus-lite").uri + "?timeout=20"), namespace=namespace
    )


def test_what_a_server_cannot_do_is_refused_and_not_cut_short(shared: MilvusBackend) -> None:
    shared.create_version("first", dim=DIM, fingerprint=MODEL)
    with pytest.raises(InvalidQueryError, match="at most"):
        shared.search("first", unit_rows(1), MOST_HITS + 1, fingerprint=MODEL)
    too_many = Filter(denied_ids=np.arange(MOST_DENIED + 1))
    with pytest.raises(InvalidQueryError, match="leave out"):
        shared.search("first", unit_rows(1), 1, fingerprint=MODEL, where=too_many)


def test_collections_of_others_are_left_alone(
    shared: MilvusBackend, server_for: Callable[[str], MilvusServer]
) -> None:
    other = MilvusBackend(MilvusAddress.parse(server_for("milvus-lite").uri), namespace="other")
    other.create_version("first", dim=DIM, fingerprint=MODEL)
    assert shared.versions() == []
    client = shared._connection.client()
    foreign = shared._prefix + "foreign"
    client.create_collection(foreign, dimension=DIM)
    with pytest.raises(IndexMismatchError, match="not made by"):
        shared.create_version("foreign", dim=DIM, fingerprint=MODEL)
    with pytest.raises(IndexMismatchError, match="not made by"):
        shared.drop("foreign")
    client.drop_collection(foreign)
    other.drop("first")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_quoted_text_reads_back_as_itself(text: str) -> None:
    """Python's strings know the same escapes, and its parser is a judge of its own."""
    quoted = literal(text)
    assert ast.literal_eval(quoted) == text
    assert "\n" not in quoted


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


def test_a_setting_names_a_store(tmp_path: Path) -> None:
    assert isinstance(open_store("faiss", tmp_path / "a"), FaissBackend)
    assert isinstance(open_store("milvus://nowhere.invalid", tmp_path), MilvusBackend)
    for wrong in ("", "FAISS", "redis://x", "milvus:/x", "milvuss://x"):
        with pytest.raises(ValueError, match="milvus"):
            open_store(wrong, tmp_path)


def test_importing_loads_no_engine() -> None:
    code = (
        "import sys, mlcore.vectorstore; "
        "print({'faiss', 'pymilvus', 'grpc', 'torch', 'django'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
