"""The doors through which Celery runs jobs; only ids come through the queue."""

from celery import shared_task

from gallery.models import Job
from gallery.pipelines import BODIES, run_job


@shared_task(name="gallery.import")
def import_pictures(job_id: int) -> None:
    run_job(job_id, BODIES[Job.Kind.IMPORT])


@shared_task(name="gallery.embed")
def embed_pictures(job_id: int) -> None:
    run_job(job_id, BODIES[Job.Kind.EMBED])


@shared_task(name="gallery.index")
def rebuild_index(job_id: int) -> None:
    run_job(job_id, BODIES[Job.Kind.INDEX])
