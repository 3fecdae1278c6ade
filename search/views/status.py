"""What this machine runs the search with, and how well it finds."""

import os

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

import mlcore
from gallery.disk import least_room
from gallery.models import IndexVersion, RecallTally
from gallery.selectors import sentences_read, tail_length
from gallery.vectors.registry import follows_rows
from gallery.views.access import PersonRequest, permission_required
from search.engine import engine_holder
from search.measures import resident_bytes
from search.readers import query_vectors


@require_safe
@permission_required("gallery.view_indexversion")
def status(request: PersonRequest) -> HttpResponse:
    """Show encoder, index, recall and process; nothing is loaded to tell it."""
    live = IndexVersion.objects.active()
    context = {
        "live": live,
        "kind": live.manifest.get("kind", "flat") if live else "",
        "tuning": live.manifest.get("tuning") if live else None,
        "tail": tail_length(live) if live else 0,
        "sentences": sentences_read(),
        "searched_beside": live is not None and not follows_rows(live),
        "recall": RecallTally.objects.lately(live) if live else None,
        "sampled": settings.CONTEXTVISION_RECALL_SAMPLE * 100,
        "room": least_room(),
        "reserve": settings.CONTEXTVISION_DISK_RESERVE_BYTES,
        "engine": engine_holder.loaded(),
        "device_asked": settings.CONTEXTVISION_RUNTIME_OPTIONS.device,
        "runtime_asked": settings.CONTEXTVISION_RUNTIME_OPTIONS.library,
        "precision_asked": settings.CONTEXTVISION_RUNTIME_OPTIONS.precision,
        "processors": os.cpu_count(),
        "version": mlcore.__version__,
        "process": os.getpid(),
        "memory": resident_bytes(),
        "known_sentences": query_vectors,
    }
    return render(request, "search/status.html", context)
