"""Run in `manage.py shell` on the database that was taken over; prints what is in it as JSON."""

import json

from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.core.checks import run_checks
from django.db import connection
from django.test import Client

from gallery import models
from tests.index_files import folder_of

client = Client(headers={"accept-language": "en"}, SERVER_NAME="localhost")
client.force_login(User.objects.get(username="ada"), "django.contrib.auth.backends.ModelBackend")
paths = [
    "/",
    "/jobs/",
    "/versions/",
    "/failures/",
    "/evaluations/",
    "/manage/",
    "/saved/",
    "/query-sets/",
]
paths += [f"/jobs/{pk}/" for pk in models.Job.objects.values_list("pk", flat=True)]
paths += [f"/models/{pk}/" for pk in models.ModelVersion.objects.values_list("pk", flat=True)]
paths += [f"/evaluations/{pk}/" for pk in models.Evaluation.objects.values_list("pk", flat=True)]
paths += [f"/images/{pk}/" for pk in models.Image.objects.values_list("pk", flat=True)]
pages = {path: client.get(path) for path in paths}

training = models.Job.objects.get(kind="train")
failed = models.Job.objects.get(kind="import", status="failed")
candidate = models.ModelVersion.objects.get(name="Better")
live = models.IndexVersion.objects.get(is_active=True)
ids = list(models.Image.objects.values_list("pk", flat=True))
ours = apps.get_app_config("gallery").get_models(include_auto_created=True)
tables = connection.introspection.table_names()
found = {
    "counts": {name: getattr(models, name).objects.count() for name in models.__all__},
    "tables": sorted(name for name in tables if "gallery_" in name),
    "models": sorted(model._meta.db_table for model in ours),
    "pages": {path: page.status_code for path, page in pages.items()},
    "job_page": pages[f"/jobs/{failed.pk}/"].content.decode(),
    "failures_page": pages["/failures/"].content.decode(),
    "model_page": pages[f"/models/{candidate.pk}/"].content.decode(),
    "live": {"store": live.store, "is_there": folder_of(live).is_dir(), "count": live.count},
    "first_hit": client.get("/api/v1/search/?q=a+red+square").json()["results"][0]["image"][
        "title"
    ],
    "checks": [
        str(check)
        for check in run_checks(databases=["default"])
        if check.id != "contextvision.W004"  # nobody works in this test
    ],
    "errors": str(failed.error),
    "training": training.result,
    "kinds_of_checks": [check["kind"] for check in candidate.verdict["checks"]],
    "splits": list(models.Image.objects.order_by().values_list("split", flat=True).distinct()),
    "saved_search": models.SavedSearch.objects.get().query,
    "ids": list(map(str, ids)),
    "evaluations": [
        {
            "data": evaluation.dataset.code,
            "pictures": sorted({name for each in evaluation.outcomes for name in each["relevant"]}),
        }
        for evaluation in models.Evaluation.objects.order_by("pk")
    ],
    "permissions": sorted(
        Permission.objects.filter(content_type__model="resumableupload").values_list(
            "codename", flat=True
        )
    ),
}
found["next_tag"] = models.Tag.objects.create(name="made after the update").pk
print(json.dumps(found))  # noqa: T201
