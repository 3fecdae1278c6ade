"""The bodies of jobs, and the runner that owns a job's state while one runs."""

from gallery.models import Job
from gallery.pipelines import embedding, importing, indexing
from gallery.pipelines.runner import Body, run_job

BODIES: dict[str, Body] = {
    Job.Kind.IMPORT: importing.import_pictures,
    Job.Kind.EMBED: embedding.embed_pictures,
    Job.Kind.INDEX: indexing.rebuild_index,
}

__all__ = ["BODIES", "Body", "run_job"]
