"""Addresses of the search."""

from django.urls import path

from search.views import pages, status

app_name = "search"
urlpatterns = [
    path("", pages.home, name="home"),
    path("status/", status.status, name="status"),
    path("examples/<slug:key>.png", pages.example, name="example"),
    path("images/<int:pk>/similar/", pages.similar, name="similar"),
]
