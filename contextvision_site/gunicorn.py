"""How the web server runs: `gunicorn --config python:contextvision_site.gunicorn`."""

import gc
import logging
import os
import resource
import shutil
import tempfile
import threading
import time
from typing import Any

from contextvision_site.settings import WEB_PROCESSES, WEB_THREADS

wsgi_app = "contextvision_site.wsgi"
workers = WEB_PROCESSES
worker_class = "contextvision_site.web_worker.DoorWorker"
threads = WEB_THREADS
timeout = 60  # seconds; torch is imported and a model read at the start, on a slow disk too
graceful_timeout = 10  # seconds for requests under way when the server is told to stop
sendfile = False  # it would wait for ever for a client that takes nothing
control_socket_disable = True  # nobody uses it, and two servers of one user would share its path

WARM_UP_PATIENCE = 60.0
"""Seconds that the model may take before pages are answered without it."""

_FIGURES = "PROMETHEUS_MULTIPROC_DIR"
_own_folder = ""

logger = logging.getLogger(__name__)


def on_starting(server: Any) -> None:
    """Make once, for all processes, the secret and the folder of their figures.

    A damaged secret keeps the server from starting. Figures for /metrics are put where any of the
    processes can add them up; not when this file is read, which others do too.
    """
    global _own_folder
    from django.conf import settings

    if _FIGURES not in os.environ:
        os.environ[_FIGURES] = _own_folder = tempfile.mkdtemp(
            # Of one that was killed, which does not remove it, the doctor does.
            prefix=f"contextvision-metrics-{os.getpid()}-"
        )
    str(settings.SECRET_KEY)
    _allow_files(3 * server.cfg.worker_connections)


def post_worker_init(worker: Any) -> None:
    """Load the live model and index before the first visitor asks."""
    # A page makes thousands of objects, few of them in cycles: by default Python would look through
    # the young ones dozens of times for it, and now and then through all that was loaded. Before a
    # request is under way: what is frozen in a cycle, an engine perhaps, is never freed.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    warming = threading.Thread(target=_warm_up, name="warm-up", daemon=True)
    warming.start()
    # Until then who asks waits in the system's queue, where a restart costs a moment and no answer.
    deadline = time.monotonic() + WARM_UP_PATIENCE
    while worker.alive and warming.is_alive() and time.monotonic() < deadline:
        warming.join(1.0)
        worker.notify()  # else the server would take it for one that hangs


def child_exit(server: Any, worker: Any) -> None:
    """Leave out the memory of a process that has ended; its counts stay."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    if _own_folder:
        shutil.rmtree(_own_folder, ignore_errors=True)


def _allow_files(wanted: int) -> None:
    """Let each process have as many open as it has connections, and its own beside them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


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
