"""The doors through which Celery works; only ids come through the queue."""

from celery import shared_task

from gallery.jobs import runner
from gallery.pipelines import embedding, sentences


@shared_task(name="gallery.run_job")
def run_job(job_id: int) -> None:
    """Run a job of any kind; the queue that it was sent to decides which worker does."""
    runner.run_job(job_id)


@shared_task(name="gallery.help_embedding")
def help_embedding(job_id: int) -> None:
    embedding.help_embedding(job_id)


@shared_task(name="gallery.read_sentences")
def read_sentences() -> None:
    """Read the captions and titles that have changed."""
    sentences.read_sentences()
