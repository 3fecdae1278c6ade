"""The Django project: settings, the Celery app, the root URLs."""

# Imported here so that @shared_task finds the app in every process that loads Django.
from contextvision_site.celery import app as celery_app

__all__ = ["celery_app"]
