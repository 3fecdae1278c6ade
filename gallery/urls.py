"""Addresses of the gallery."""

from django.urls import path

from gallery.views import failures, jobs, media, pictures, uploading, versions

app_name = "gallery"
urlpatterns = [
    path("images/<int:pk>/", pictures.detail, name="image"),
    path("images/<int:pk>/edit/", pictures.edit, name="image-edit"),
    path("images/<int:pk>/delete/", pictures.delete, name="image-delete"),
    path("images/<int:pk>/thumbnail.webp", media.thumbnail, name="thumbnail"),
    path("images/<int:pk>/display.webp", media.display, name="display"),
    path("images/<int:pk>/original", media.original, name="original"),
    path("upload/", uploading.upload, name="upload"),
    path("jobs/", jobs.job_list, name="jobs"),
    path("jobs/start/", jobs.start, name="job-start"),
    path("jobs/<int:pk>/", jobs.job_detail, name="job"),
    path("jobs/<int:pk>/cancel/", jobs.cancel, name="job-cancel"),
    path("jobs/<int:pk>/retry/", jobs.retry, name="job-retry"),
    path("failures/", failures.failure_list, name="failures"),
    path("failures/retry/", failures.retry_all, name="failures-retry"),
    path("failures/<int:pk>/retry/", failures.retry, name="failure-retry"),
    path("failures.csv", failures.download, name="failures-csv"),
    path("versions/", versions.version_list, name="versions"),
    path("versions/<int:pk>/make-active/", versions.make_active, name="version-make-active"),
]
