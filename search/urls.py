"""Addresses of the search."""

from django.urls import path

from search.views import pages

app_name = "search"
urlpatterns = [
    path("", pages.home, name="home"),
    path("images/<int:pk>/similar/", pages.similar, name="similar"),
]
