"""Whole requests to a real web server, its memory, and what batching gains."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.conf import settings

from benchmarks.core.encoding import about_clip, clip_folder
from benchmarks.core.peers import EagerStarter
from benchmarks.harness.machine import resident_mb
from benchmarks.harness.measure import (
    Bar,
    BenchmarkError,
    Conditions,
    Measurement,
    Result,
    each_ms,
    median_ms,
    part_of,
    per_second,
    side_by_side,
)
from benchmarks.harness.new_process import in_new_process
from benchmarks.site.server import Client, ComeBackError, Served, Site
from mlcore.encoders import load_encoder
from search.batching import Batcher
from search.readers import SENTENCES_TOGETHER, SENTENCES_WAITING

API = "/api/v1/search/"
PAGE = "/"
READY = f"{API}?q=ready"
EACH_ROUND = 20
CLIENTS = 32
ASKED_BY_EACH = 6
PATIENCE = 60.0
"""Seconds for which a client of many asks again."""
FEW = 64
"""Pictures of a site whose memory is measured: it is the model that counts."""


@dataclass(frozen=True, slots=True)
class HttpMeasurements:
    """Measures a site that runs already, or one that is made for it."""

    url: str = ""

    @contextmanager
    def _served(self, conditions: Conditions) -> Iterator[Served]:
        if self.url:
            yield Served(self.url)
            return
        with _filled_site(conditions).served(READY) as served:
            yield served

    def requests(self, conditions: Conditions) -> Iterator[Result]:
        """One visitor at a time."""
        with self._served(conditions) as served:
            client = Client(served.url)
            pictures = len(conditions.photos.records)
            where = self.url or f"{pictures:,} pictures"
            note = f"{where}; page of results as HTML"
            script = _script(pictures)
            new = _new_sentences(conditions)

            def fresh(number: int) -> float:
                return median_ms(new(EACH_ROUND), lambda words: client.get(PAGE, q=words))

            def cached(number: int) -> float:
                words = conditions.photos.sentences[0]
                client.get(PAGE, q=words)
                return median_ms([words] * EACH_ROUND, lambda words: client.get(PAGE, q=words))

            def by_script(number: int) -> float:
                return median_ms(new(EACH_ROUND), script)

            ours, peer = side_by_side(fresh, by_script, conditions.rounds)
            yield Result(
                "http_search_starter", ours, "ms", peer, "a script: torch and numpy, no web server",
                Bar("ours", "most", 16), f"{note}; sentences not asked before",
            )  # fmt: skip
            ours, peer = side_by_side(cached, fresh, conditions.rounds)
            yield Result(
                "http_search_cached", ours, "ms", peer, "sentences not asked before",
                Bar("ours", "most", 12), f"{note}; a sentence asked before",
            )  # fmt: skip
            ours, peer = side_by_side(
                lambda number: _not_encoding(client, new(EACH_ROUND)),
                lambda number: median_ms([()] * EACH_ROUND, lambda _: client.get("/livez")),
                conditions.rounds,
            )
            yield Result(
                "http_not_encoding", ours, "ms", peer, "/livez, which does nothing",
                Bar("ours", "most", 8), f"{where}; API; request less its encoding",
            )  # fmt: skip
            yield _many_clients("http_32_clients", served, new, conditions, None, note)

    def processes(self, conditions: Conditions) -> Iterator[Result]:
        """As many visitors at a time, and two web processes."""
        site = _filled_site(conditions, CONTEXTVISION_WEB_PROCESSES="2")
        with site.served(READY) as served:
            for _ in range(EACH_ROUND):  # until both have loaded the model
                Client(served.url).get(READY)
            yield _many_clients(
                "http_32_clients_2_processes", served, _new_sentences(conditions), conditions,
                Bar("ratio", "least", 1.5), f"{len(conditions.photos.records):,} pictures",
            )  # fmt: skip

    def swap(self, conditions: Conditions) -> Iterator[Result]:
        """A new index goes live while somebody searches."""
        site = _filled_site(conditions)
        with site.served(READY) as served:
            asked, failed, slowest, grown = _searched_during(site, served, conditions)
        yield Result(
            "swap", failed, "failed requests", asked, "requests", Bar("ours", "most", 0),
            f"while an index was built and went live; slowest {slowest:.0f} ms; "
            f"memory of the web process grew by {grown:.0f} MB at the most",
        )  # fmt: skip


def _filled_site(conditions: Conditions, **variables: str) -> Site:
    """The site that all requests are measured on, with these variables set."""
    site = Site(conditions.scratch / "site", variables)
    site.fill(conditions.photos.folder.absolute())
    return site


def _many_clients(
    name: str,
    served: Served,
    new: Callable[[int], list[str]],
    conditions: Conditions,
    bar: Bar | None,
    note: str,
) -> Result:
    client = Client(served.url)
    ours, peer = side_by_side(
        lambda number: _all_at_once(served.url, new(CLIENTS * ASKED_BY_EACH)),
        lambda number: _one_by_one(client, new(EACH_ROUND)),
        conditions.rounds,
    )
    return Result(
        name, ours, "requests/s", peer, "one by one", bar,
        f"{note}; the clients run on the same machine",
    )  # fmt: skip


def _script(pictures: int) -> Callable[[str], object]:
    """What somebody writes in ten lines: the starter in torch, and every vector times the query."""
    encoder = EagerStarter()
    [query] = encoder.texts(["a first sentence"])
    vectors = np.random.default_rng(0).standard_normal((pictures, len(query)), dtype=np.float32)

    def ask(words: str) -> object:
        [query] = encoder.texts([words])
        return np.argsort(-(vectors @ query))[:24]

    return ask


def _new_sentences(conditions: Conditions) -> Callable[[int], list[str]]:
    """Return what gives sentences that nobody asked before, also where there are few."""
    sentences = conditions.photos.sentences
    place = 0

    def new(count: int) -> list[str]:
        nonlocal place
        given = []
        for _ in range(count):
            lap, number = divmod(place, len(sentences))
            given.append(sentences[number] + (f" {lap}" if lap else ""))
            place += 1
        return given

    return new


def _not_encoding(client: Client, sentences: Sequence[str]) -> float:
    def ask(words: str) -> float:
        started = time.perf_counter()
        answer = json.loads(client.get(API, q=words))
        return 1000 * (time.perf_counter() - started) - float(answer["timing_ms"]["encode"])

    return statistics.median(map(ask, sentences))


def _one_by_one(client: Client, sentences: Sequence[str]) -> float:
    return per_second(
        len(sentences), lambda: each_ms(sentences, lambda words: client.get(PAGE, q=words))
    )


def _all_at_once(url: str, sentences: Sequence[str]) -> float:
    def ask(number: int) -> None:
        client = Client(url)
        for words in sentences[number::CLIENTS]:
            _get_patiently(client, words)

    with ThreadPoolExecutor(CLIENTS) as clients:
        return per_second(len(sentences), lambda: list(clients.map(ask, range(CLIENTS))))


def _get_patiently(client: Client, words: str) -> None:
    """Ask again where the site says that it is too busy; the time that takes counts."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            client.get(PAGE, q=words)
        except ComeBackError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def _searched_during(
    site: Site, served: Served, conditions: Conditions
) -> tuple[int, int, float, float]:
    """Search until a rebuild is over: requests, how many failed, the slowest, memory grown."""
    new = _new_sentences(conditions)
    before, most = resident_mb(served.worker()), 0.0
    times, failed = [], 0
    with subprocess.Popen(
        [sys.executable, "manage.py", "build_index"],
        cwd=settings.BASE_DIR, env=site.environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as building:  # fmt: skip
        # The web process looks for a new index with every search and loads it beside the old one.
        until = float("inf")
        while time.monotonic() < until:
            if until == float("inf") and building.poll() is not None:
                until = time.monotonic() + 5
            started = time.perf_counter()
            try:
                Client(served.url).get(API, q=new(1)[0])
            except BenchmarkError:
                failed += 1
            times.append(1000 * (time.perf_counter() - started))
            most = max(most, resident_mb(served.worker()))
    if building.returncode:
        raise BenchmarkError("The index could not be rebuilt.")
    return len(times), failed, max(times), max(0.0, most - before)


def batching(conditions: Conditions) -> Iterator[Result]:
    """Sentences of 32 threads at once, encoded together as the web process does it."""
    encoder = load_encoder("starter")
    batcher = Batcher(
        encoder.encode_texts, size=SENTENCES_TOGETHER, queue=SENTENCES_WAITING, deadline=60
    )
    sentences = conditions.photos.sentences

    def together(number: int) -> float:
        chosen = part_of(sentences, number, CLIENTS * ASKED_BY_EACH)

        def ask(place: int) -> None:
            for words in chosen[place::CLIENTS]:
                batcher([words])

        with ThreadPoolExecutor(CLIENTS) as clients:
            return per_second(len(chosen), lambda: list(clients.map(ask, range(CLIENTS))))

    def one_by_one(number: int) -> float:
        chosen = part_of(sentences, number, CLIENTS * ASKED_BY_EACH)
        return per_second(len(chosen), lambda: each_ms(chosen, lambda words: batcher([words])))

    ours, peer = side_by_side(together, one_by_one, conditions.rounds)
    yield Result(
        "batching_gain", ours, "sentences/s", peer, "one by one", Bar("ratio", "least", 2.5),
        f"{CLIENTS} threads ask the encoder of the web process; {encoder.runtime}",
    )  # fmt: skip


def memory(conditions: Conditions) -> Iterator[Result]:
    """What a process of the web server holds, with CLIP and without a model."""
    bare = Site(conditions.scratch / "bare", {})
    bare.folder.mkdir(exist_ok=True)
    bare.manage("migrate", "--verbosity", "0")
    with bare.served("/livez") as served:
        Client(served.url).get(PAGE)
        yield Result(
            "worker_memory_no_model", resident_mb(served.worker()), "MB",
            bar=Bar("ours", "most", 150), note="after a page was served; nothing is indexed",
        )  # fmt: skip
    folder = clip_folder(conditions)
    site = Site(conditions.scratch / "clip-site", {"CONTEXTVISION_MODEL": folder})
    site.fill(_some_of(conditions))
    plain = in_new_process(
        f"plain = peers.PlainTransformers({folder!r}); plain.texts(['a dog'])",
        imports="from benchmarks.core import peers",
    )
    with site.served(READY) as served:
        client = Client(served.url)
        for words in conditions.photos.sentences[:EACH_ROUND]:
            client.get(PAGE, q=words)
        yield Result(
            "worker_memory_clip", resident_mb(served.worker()), "MB", plain.mb,
            "a script with transformers", Bar("ours", "most", 1200),
            f"{about_clip(conditions)}; after {EACH_ROUND} searches",
        )  # fmt: skip


def _some_of(conditions: Conditions) -> Path:
    folder = conditions.scratch / "some"
    folder.mkdir(exist_ok=True)
    for number, record in enumerate(conditions.photos.records[:FEW]):
        (folder / f"{number:03}.jpg").write_bytes(record.read())
    return folder


def measurements(url: str) -> tuple[Measurement, ...]:
    """Return all of this file, against the site at ``url``; one is made where that is empty."""
    http = HttpMeasurements(url)
    return (
        Measurement(
            ("http_search_starter", "http_search_cached", "http_not_encoding", "http_32_clients"),
            http.requests,
        ),
        Measurement(("http_32_clients_2_processes",), http.processes),
        Measurement(("swap",), http.swap),
        Measurement(("batching_gain",), batching),
        Measurement(("worker_memory_no_model", "worker_memory_clip"), memory),
    )
