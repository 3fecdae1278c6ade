"""An engine that is as busy as it can be."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from mlcore.config import FloatMatrix
from search.engine import engine_holder
from search.readers import SENTENCES_WAITING


@contextmanager
def every_place_taken() -> Iterator[None]:
    """Within, the encoder works on one query and as many as may wait do so."""
    engine = engine_holder.loaded()
    assert engine is not None
    batcher = engine.reader.batcher
    go_on = threading.Event()
    real = batcher._encode

    def held(texts: Sequence[str]) -> FloatMatrix:
        assert go_on.wait(30)
        return real(texts)

    batcher._encode = held
    with ThreadPoolExecutor(SENTENCES_WAITING + 1) as pool:
        try:
            for number in range(SENTENCES_WAITING + 1):
                pool.submit(batcher, [f"taken {number}"])
            while len(batcher._waiting) < SENTENCES_WAITING:
                threading.Event().wait(0.005)
            yield
        finally:
            go_on.set()
            batcher._encode = real
