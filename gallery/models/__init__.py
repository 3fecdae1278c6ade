from gallery.models.audit import AuditEvent
from gallery.models.bias import IndexBias
from gallery.models.chunk import EmbeddingChunk, EmbeddingPlan
from gallery.models.embedding import ImageEmbedding
from gallery.models.evaluation import Evaluation, SavedQuery, SavedQuerySet
from gallery.models.event import JobEvent
from gallery.models.failure import Failure
from gallery.models.image import Caption, Collection, Image, Tag
from gallery.models.job import Job
from gallery.models.metric import JobMetric
from gallery.models.promotion import Promotion
from gallery.models.proposal import Proposal
from gallery.models.recall import RecallTally
from gallery.models.resumable_upload import ResumableUpload
from gallery.models.saved_search import SavedSearch
from gallery.models.sentence import (
    SentenceChange,
    SentenceEmbedding,
    SentenceModel,
    SentenceReading,
)
from gallery.models.square import SquareEmbedding
from gallery.models.sync import SyncedFile, SyncSource, VanishedPicture
from gallery.models.text import ImageText, Lexeme, StaleText
from gallery.models.version import IndexVersion, ModelVersion
from gallery.models.worker import MaintenanceTurn, WorkerPulse

__all__ = [
    "AuditEvent",
    "Caption",
    "Collection",
    "EmbeddingChunk",
    "EmbeddingPlan",
    "Evaluation",
    "Failure",
    "Image",
    "ImageEmbedding",
    "ImageText",
    "IndexBias",
    "IndexVersion",
    "Job",
    "JobEvent",
    "JobMetric",
    "Lexeme",
    "MaintenanceTurn",
    "ModelVersion",
    "Promotion",
    "Proposal",
    "RecallTally",
    "ResumableUpload",
    "SavedQuery",
    "SavedQuerySet",
    "SavedSearch",
    "SentenceChange",
    "SentenceEmbedding",
    "SentenceModel",
    "SentenceReading",
    "SquareEmbedding",
    "StaleText",
    "SyncSource",
    "SyncedFile",
    "Tag",
    "VanishedPicture",
    "WorkerPulse",
]
