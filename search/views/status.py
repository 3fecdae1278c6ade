"""What this machine runs the search with, and how well it finds."""

import os

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from gallery.models import IndexVersion, RecallTally
from gallery.selectors import tail_length
from gallery.views.access import StaffRequest, staff_required
from search.engine import engine_room, query_vectors
from search.measures import resident_bytes


@require_safe
@staff_required
def status(request: StaffRequest) -> HttpResponse:
    """Show encoder, index, recall and process; nothing is loaded to tell it."""
    live = IndexVersion.objects.active()
    context = {
        "live": live,
        "kind": live.manifest.get("kind", "flat") if live else "",
        "tuning": live.manifest.get("tuning") if live else None,
        "tail": tail_length(live) if live else 0,
        "recall": RecallTally.objects.lately(live) if live else None,
        "sampled": settings.CONTEXTVISION_RECALL_SAMPLE * 100,
        "engine": engine_room.loaded(),
        "device_asked": settings.CONTEXTVISION_DEVICE,
        "runtime_asked": settings.CONTEXTVISION_RUNTIME,
        "precision_asked": settings.CONTEXTVISION_PRECISION,
        "processors": os.cpu_count(),
        "process": os.getpid(),
        "memory": resident_bytes(),
        "known_sentences": query_vectors,
    }
    return render(request, "search/status.html", context)
