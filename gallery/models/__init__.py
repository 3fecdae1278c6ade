from gallery.models.embedding import ImageEmbedding
from gallery.models.failure import Failure
from gallery.models.image import Caption, Collection, Image, Tag
from gallery.models.job import Job
from gallery.models.version import IndexVersion, ModelVersion
from gallery.models.worker import WorkerPulse

__all__ = [
    "Caption",
    "Collection",
    "Failure",
    "Image",
    "ImageEmbedding",
    "IndexVersion",
    "Job",
    "ModelVersion",
    "Tag",
    "WorkerPulse",
]
