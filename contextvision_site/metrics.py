"""``/metrics``: figures for a monitoring system, in the text format of Prometheus."""

import os
from collections.abc import Iterator
from ipaddress import ip_address

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from rest_framework.throttling import BaseThrottle

from gallery.access import require
from gallery.disk import least_room
from gallery.models import IndexVersion, RecallTally, WorkerPulse
from gallery.selectors import tail_length


class Records(Collector):
    """What the database knows, the same whichever process is asked."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _gauge("workers", "Workers seen lately", WorkerPulse.objects.alive().count())
        yield _gauge("disk_free_bytes", "Free on the fullest disk", least_room().free)
        live = IndexVersion.objects.active()
        if live is None:
            return
        recall = RecallTally.objects.lately(live)
        yield _gauge("live_index", "Id of the index that answers", live.pk)
        yield _gauge("indexed_pictures", "Pictures in the live index", live.count)
        yield _gauge("tail_pictures", "Pictures searched beside it", tail_length(live))
        yield _gauge("recall_target", "Recall at 10 that the index is tuned to", recall.target)
        yield _gauge("recall_samples", "Searches of a day run again exactly", recall.searches)
        yield _gauge("recall_is_low", "1 while recall is under its target", int(recall.is_low))
        if recall.share is not None:
            yield _gauge("recall", "Recall at 10 of searches of a day", recall.share)


def _gauge(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"contextvision_{name}", documentation, value=value)


@login_not_required  # asks by itself, since networks need no account
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer those who look after indexes, and the networks that the settings name."""
    if not _comes_from_allowed_network(request):
        if not request.user.is_authenticated:
            raise PermissionDenied
        require(request.user, "gallery.view_indexversion")
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    registry.register(Records())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _comes_from_allowed_network(request: HttpRequest) -> bool:
    # Trusted proxies are counted as for the throttles.
    address = BaseThrottle().get_ident(request)  # type: ignore[arg-type]
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in settings.CONTEXTVISION_METRICS_NETWORKS)
