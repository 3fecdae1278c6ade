"""The doors through which Celery runs jobs; only ids come through the queue."""

from celery import shared_task

from gallery.models import Job
from gallery.pipelines import BODIES, help_embedding, run_job


@shared_task(name="gallery.import")
def import_pictures(job_id: int) -> None:
    run_job(job_id, BODIES[Job.Kind.IMPORT])


@shared_task(name="gallery.embed")
def embed_pictures(job_id: int) -> None:
    run_job(job_id, BODIES[Job.Kind.EMBED])


@shared_task(name="gallery.help_embedding")
def join_embedding(job_id: int) -> None:
    help_embedding(job_id)


@shared_task(name="gallery.index")
def rebuild_index(job_id: int) -> None:
    run_job(job_id, BODIES[Job.Kind.INDEX])


@shared_task(name="gallery.train")
def train_model(job_id: int) -> None:
    run_job(job_id, BODIES[Job.Kind.TRAIN])


@shared_task(name="gallery.evaluate")
def evaluate_model(job_id: int) -> None:
    run_job(job_id, BODIES[Job.Kind.EVALUATE])


@shared_task(name="gallery.export")
def export_model(job_id: int) -> None:
    run_job(job_id, BODIES[Job.Kind.EXPORT])


@shared_task(name="gallery.promote")
def promote_model(job_id: int) -> None:
    run_job(job_id, BODIES[Job.Kind.PROMOTE])
