from gallery.models.chunk import EmbeddingChunk, EmbeddingPlan
from gallery.models.embedding import ImageEmbedding
from gallery.models.evaluation import Evaluation, SavedQuery, SavedQuerySet
from gallery.models.event import JobEvent
from gallery.models.failure import Failure
from gallery.models.image import Caption, Collection, Image, Tag
from gallery.models.incoming import IncomingFile
from gallery.models.job import Job
from gallery.models.metric import JobMetric
from gallery.models.promotion import Promotion
from gallery.models.recall import RecallTally
from gallery.models.saved_search import SavedSearch
from gallery.models.version import IndexVersion, ModelVersion
from gallery.models.worker import MaintenanceTurn, WorkerPulse

__all__ = [
    "Caption",
    "Collection",
    "EmbeddingChunk",
    "EmbeddingPlan",
    "Evaluation",
    "Failure",
    "Image",
    "ImageEmbedding",
    "IncomingFile",
    "IndexVersion",
    "Job",
    "JobEvent",
    "JobMetric",
    "MaintenanceTurn",
    "ModelVersion",
    "Promotion",
    "RecallTally",
    "SavedQuery",
    "SavedQuerySet",
    "SavedSearch",
    "Tag",
    "WorkerPulse",
]
