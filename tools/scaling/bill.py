"""What a task takes besides time: rows, bytes, requests, money. Figures: docs/scaling.md."""

from dataclasses import dataclass

from tools.scaling.fleet import PULSE, Outcome

EMBEDDING_ROW = 2_985
"""Bytes in PostgreSQL of one vector of 512 with its indexes; measured."""
IMAGE_ROW = 587
"""Bytes of one picture's record with its indexes, without captions; measured."""
WAL_ROW = 2_891
"""Bytes written ahead for one vector; measured."""
CHUNK_ROW = 250
"""Bytes of a chunk's row with its indexes; assumed, by the columns."""
FAILURE_ROW = 400
"""Bytes of a failure's row with its indexes; assumed, by the columns."""
FAILING = 0.001
"""Share of pictures that cannot be decoded; assumed."""
MESSAGE = 944
"""Bytes of a message with one id, as Celery wraps it; measured."""
ORIGINAL = 200_000
"""Mean bytes of an original; assumed: photographs as web sites keep them."""
INDEX_VECTOR = 540
"""Bytes a vector in memory of an index of the kind IVF,SQ8; measured at 200,000."""

ASKING = 0.6e-6
"""Seconds a picture that the database takes to tell whether one of all has no vector; measured at
1,000,000."""

WORKER_HOUR = 0.09
DATABASE_HOUR = 0.50
DATABASE_GB_MONTH = 0.12
BUCKET_GB_MONTH = 0.023
THOUSAND_READS = 0.0004
"""US dollars, assumed: about what large clouds ask for two cores, for a database of eight, and for
storage in one region, where reading from a bucket costs the requests only."""

GB = 1e9


@dataclass(frozen=True, slots=True)
class Bill:
    """What a run takes and what it leaves."""

    run: Outcome

    @property
    def _pictures(self) -> int:
        return self.run.setting.pictures

    @property
    def rows(self) -> int:
        """Rows that the run writes: vectors, chunks, failures."""
        return self._pictures + self.run.planned + round(self._pictures * FAILING)

    @property
    def database_gb(self) -> float:
        """Pictures' records, their vectors, chunks and failures."""
        chunks = self.run.planned * CHUNK_ROW + self._pictures * FAILING * FAILURE_ROW
        return (self._pictures * (EMBEDDING_ROW + IMAGE_ROW) + chunks) / GB

    @property
    def wal_gb(self) -> float:
        return self._pictures * WAL_ROW / GB

    @property
    def read_gb(self) -> float:
        """Originals read from the storage, those that were read in vain included."""
        return self.run.begun * ORIGINAL / GB

    @property
    def read_gbit_s(self) -> float:
        return self.read_gb * 8 / self.run.seconds

    @property
    def message_mb(self) -> float:
        return self.run.messages * MESSAGE / 1e6

    @property
    def index_gb(self) -> float:
        return self._pictures * INDEX_VECTOR / GB

    @property
    def matrix_gb(self) -> float:
        """All vectors at once, as building an index reads them today."""
        return self._pictures * 512 * 4 / GB

    @property
    def asking_cores(self) -> float:
        """Cores of the database that do nothing but tell workers whether a vector is missing, where
        each worker asks at each pulse, as maintenance did before one worker did it for all."""
        return self.run.setting.workers * self._pictures * ASKING / PULSE

    @property
    def run_dollars(self) -> float:
        hours = self.run.seconds / 3600
        computing = hours * (self.run.setting.workers * WORKER_HOUR + DATABASE_HOUR)
        return computing + self.run.begun / 1000 * THOUSAND_READS

    @property
    def month_dollars(self) -> float:
        """Keeping originals and database for a month."""
        originals = self._pictures * ORIGINAL / GB * BUCKET_GB_MONTH
        return originals + self.database_gb * DATABASE_GB_MONTH
