"""How the web server runs: `gunicorn --config python:contextvision_site.gunicorn`."""

import gc
import logging
import os
import shutil
import tempfile
import threading
from typing import Any

from contextvision_site.settings import WEB_PROCESSES, WEB_THREADS

wsgi_app = "contextvision_site.wsgi"
workers = WEB_PROCESSES
worker_class = "gthread"
threads = WEB_THREADS
timeout = 60  # seconds; torch is imported and a model read at the start, on a slow disk too
graceful_timeout = 10  # seconds for requests under way when the server is told to stop
control_socket_disable = True  # nobody uses it, and two servers of one user would share its path

# Where the processes put their figures for /metrics, so that any of them can add them up.
_FIGURES = "PROMETHEUS_MULTIPROC_DIR"
_own_folder = ""
if _FIGURES not in os.environ:
    os.environ[_FIGURES] = _own_folder = tempfile.mkdtemp(prefix="contextvision-metrics-")

logger = logging.getLogger(__name__)


def post_worker_init(worker: Any) -> None:
    """Load the live model and index before the first visitor asks."""
    # A page makes thousands of objects, few of them in cycles: by default Python would look through
    # the young ones dozens of times for it, and now and then through all that was loaded. Before a
    # request is under way: what is frozen in a cycle, an engine perhaps, is never freed.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()


def child_exit(server: Any, worker: Any) -> None:
    """Leave out the memory of a process that has ended; its counts stay."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    if _own_folder:
        shutil.rmtree(_own_folder, ignore_errors=True)


def _warm_up() -> None:
    from django.db import Error, connection

    from mlcore.errors import ContextVisionError
    from search.engine import get_engine

    try:
        get_engine().encode_texts(["a first sentence is slower than those that follow"])
    except (ContextVisionError, Error) as error:
        logger.warning("Nothing can be searched yet: %s", error)
    finally:
        connection.close()
