"""The status page and the figures for monitoring: what they tell, and whom."""

import re
from ipaddress import ip_network

import pytest
from django.conf import LazySettings
from django.test import Client

import mlcore
from gallery.models import Image, IndexVersion
from mlcore.config import RuntimeOptions
from search.engine import engine_holder
from search.query import SearchQuery
from search.services import search_images

pytestmark = pytest.mark.django_db

STATUS, METRICS = "/status/", "/metrics"


def test_it_tells_what_encodes_and_what_is_live(
    staff_client: Client, indexed: dict[str, Image], settings: LazySettings
) -> None:
    settings.CONTEXTVISION_RUNTIME_OPTIONS = RuntimeOptions(library="torch", precision="float32")
    search_images(SearchQuery.of("red"), user=None)
    html = staff_client.get(STATUS).content.decode()
    assert "<dd>numpy</dd>" in html
    assert f"<dd>{mlcore.__version__}</dd>" in html
    assert "<code>CONTEXTVISION_RUNTIME</code> (now torch)" in html
    assert "<code>CONTEXTVISION_PRECISION</code> (now float32)" in html
    assert "<code>flat</code>" in html
    assert "nothing is missed" in html
    assert re.search(r"\d[\xa0 ][MG]B", html)


def test_it_loads_nothing(staff_client: Client, indexed: dict[str, Image]) -> None:
    engine_holder.reset()
    assert "No model is loaded in this process yet" in staff_client.get(STATUS).content.decode()
    assert staff_client.get(METRICS).status_code == 200
    assert engine_holder.loaded() is None


def test_it_says_that_nothing_is_live(staff_client: Client) -> None:
    assert "No index is live yet." in staff_client.get(STATUS).content.decode()
    assert "contextvision_live_index" not in staff_client.get(METRICS).content.decode()


def test_figures_of_what_is_live_and_of_searches(
    client: Client, staff_client: Client, indexed: dict[str, Image]
) -> None:
    client.get("/", {"q": "red"})
    answer = staff_client.get(METRICS)
    assert answer["Content-Type"].startswith("text/plain")
    figures = answer.content.decode()
    live = IndexVersion.objects.get()
    assert f"contextvision_live_index {float(live.pk)}" in figures
    assert "contextvision_indexed_pictures 8.0" in figures
    assert 'contextvision_search_seconds_count{part="total"}' in figures
    assert "contextvision_recall_target 1.0" in figures


def test_only_staff_and_networks_that_are_set_may_look(
    client: Client, settings: LazySettings
) -> None:
    assert client.get(STATUS).status_code == 302
    assert client.get(METRICS).status_code == 403
    settings.CONTEXTVISION_METRICS_NETWORKS = [ip_network("10.0.0.0/8"), ip_network("::1")]
    assert client.get(METRICS, REMOTE_ADDR="10.1.2.3").status_code == 200
    assert client.get(METRICS, REMOTE_ADDR="::1").status_code == 200
    assert client.get(METRICS, REMOTE_ADDR="192.0.2.1").status_code == 403
    spoofed = {"X-Forwarded-For": "10.1.2.3"}
    assert client.get(METRICS, REMOTE_ADDR="192.0.2.1", headers=spoofed).status_code == 403
