"""Addresses of the API, but for the search."""

from django.urls import include, path
from django.views.generic import RedirectView
from rest_framework.routers import SimpleRouter

from gallery.api import audit, imports, learning, sources, views
from gallery.api.auth import LogoutAllView, LogoutView, TokenView
from gallery.api.docs import DocsView, SchemaView

router = SimpleRouter(use_regex_path=False)
router.register("images", views.ImageViewSet, basename="image")
router.register("images/<int:image_pk>/captions", views.CaptionViewSet, basename="caption")
router.register("imports", imports.ImportViewSet, basename="import")
router.register("jobs", views.JobViewSet, basename="job")
router.register("failures", views.FailureViewSet, basename="failure")
router.register("sources", sources.SourceViewSet, basename="source")
router.register("sources/<int:source_pk>/files", sources.SyncedFileViewSet, basename="synced-file")
router.register(
    "sources/<int:source_pk>/vanished", sources.VanishedPictureViewSet, basename="vanished-picture"
)
router.register("indexes", views.IndexVersionViewSet, basename="index")
router.register("models", learning.ModelVersionViewSet, basename="model")
router.register("promotions", learning.PromotionViewSet, basename="promotion")
router.register("trainings", learning.TrainingViewSet, basename="training")
router.register("evaluations", learning.EvaluationViewSet, basename="evaluation")
router.register("audit", audit.AuditEventViewSet, basename="audit")
router.register("query-sets", learning.QuerySetViewSet, basename="query-set")

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="api:docs"), name="root"),
    path("", include(router.urls)),
    path("comparison/", learning.ComparisonView.as_view(), name="comparison"),
    path("auth/token/", TokenView.as_view(), name="token"),
    path("auth/logout/", LogoutView.as_view(), name="logout"),
    path("auth/logoutall/", LogoutAllView.as_view(), name="logout-all"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocsView.as_view(), name="docs"),
]
