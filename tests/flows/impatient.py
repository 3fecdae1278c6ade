"""The web server's configuration, with less patience than it has for real clients."""

from contextvision_site import web_worker
from contextvision_site.gunicorn import *  # noqa: F403

web_worker.HEAD_SECONDS = 2.0
web_worker.BODY_SECONDS = 1.0
web_worker.BODY_RATE = 1_000_000
