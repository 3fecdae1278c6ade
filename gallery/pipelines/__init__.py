"""The bodies of jobs, and the runner that owns a job's state while one runs."""

from gallery.models import Job
from gallery.pipelines import (
    embedding,
    evaluating,
    exporting,
    importing,
    indexing,
    promotion,
    training,
)
from gallery.pipelines.embedding import help_embedding
from gallery.pipelines.runner import Body, run_job

BODIES: dict[str, Body] = {
    Job.Kind.IMPORT: importing.import_pictures,
    Job.Kind.EMBED: embedding.embed_pictures,
    Job.Kind.INDEX: indexing.rebuild_index,
    Job.Kind.TRAIN: training.train,
    Job.Kind.EVALUATE: evaluating.evaluate,
    Job.Kind.PROMOTE: promotion.promote,
    Job.Kind.EXPORT: exporting.export,
}

__all__ = ["BODIES", "Body", "help_embedding", "run_job"]
