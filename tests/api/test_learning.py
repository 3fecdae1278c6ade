"""Teaching through the API: trainings, evaluations, promotions and query sets."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from gallery.models import (
    Evaluation,
    Image,
    IndexVersion,
    Job,
    ModelVersion,
    Promotion,
    SavedQuerySet,
)
from tests.api.conftest import problem
from tests.learning import COMPOSITION, candidate, measured, query_set, training
from tests.pictures_of_colours import add_picture

pytestmark = pytest.mark.django_db

API = "/api/v1"


@pytest.fixture
def live(indexed: dict[str, Image]) -> ModelVersion:
    return ModelVersion.objects.get()


@pytest.fixture
def before(live: ModelVersion, indexed: dict[str, Image]) -> Evaluation:
    ranks = {"red": (indexed["red"], 1), "blue": (indexed["blue"], 9)}
    return measured(live, ranks, composition=COMPOSITION, top=[indexed["red"]])


@pytest.fixture
def after(before: Evaluation, indexed: dict[str, Image]) -> Evaluation:
    ranks = {"red": (indexed["red"], 2), "blue": (indexed["blue"], 1)}
    return measured(candidate(before.model_version), ranks)


def post(client: Client, path: str, data: Any = None) -> Any:
    return client.post(f"{API}{path}", data or {}, content_type="application/json")


class TestModels:
    def test_they_come_with_metrics_and_verdict(
        self, staff_client: Client, live: ModelVersion, after: Evaluation
    ) -> None:
        refused = candidate(live, "refused", passed=False)
        listed = {
            model["name"]: model for model in staff_client.get(f"{API}/models/").json()["results"]
        }
        tuned = listed["tuned"]
        assert tuned["state"] == "candidate"
        assert tuned["parent"] == live.pk
        assert tuned["metrics"]["evaluation"] == after.pk
        assert tuned["metrics"]["hit_rate@1"] == 0.5
        assert set(tuned["metrics"]["intervals"]) >= {"hit_rate@5", "mrr"}
        assert listed["colours"]["state"] == "live"
        assert listed["refused"]["metrics"] is None
        assert not listed["refused"]["verdict"]["passed"]
        one = staff_client.get(f"{API}/models/{refused.pk}/").json()
        assert one == listed["refused"]

    def test_promoting_is_queued(
        self, staff_client: Client, staff: User, live: ModelVersion
    ) -> None:
        tuned = candidate(live, passed=True)
        response = post(staff_client, f"/models/{tuned.pk}/promote/")
        assert response.status_code == 202
        job = Job.objects.get(kind=Job.Kind.PROMOTE)
        assert response["Location"] == response.json()["url"]
        assert job.params["model"] == tuned.pk
        assert job.created_by == staff

    def test_what_the_gate_refused_needs_a_reason(
        self, staff_client: Client, live: ModelVersion
    ) -> None:
        refused = candidate(live, passed=False)
        path = f"/models/{refused.pk}/promote/"
        body = problem(post(staff_client, path), 409)
        assert body["type"].endswith(":promotion-refused")
        assert "less than 0.550" in body["detail"]
        assert post(staff_client, path, {"override_reason": "A test."}).status_code == 202
        assert Job.objects.get(kind=Job.Kind.PROMOTE).params["override_reason"] == "A test."

    def test_history(self, staff_client: Client, staff: User, live: ModelVersion) -> None:
        tuned = candidate(live)
        Promotion.objects.create(
            model_version=tuned, former_model=live, created_by=staff, override_reason="Why not"
        )
        [row] = staff_client.get(f"{API}/promotions/").json()["results"]
        assert row["kind"] == "promotion"
        assert (row["model"], row["former_model"]) == (tuned.pk, live.pk)
        assert (row["created_by"], row["override_reason"]) == ("staff", "Why not")

    def test_rolling_back(self, staff_client: Client, live: ModelVersion) -> None:
        body = problem(post(staff_client, "/indexes/rollback/"), 409)
        assert body["type"].endswith(":nothing-before")
        first = IndexVersion.objects.get()
        second = IndexVersion.objects.create(
            model_version=candidate(live), store="files", location="twin", count=1, watermark=0
        )
        assert second.activate(instead_of=first)
        response = post(staff_client, "/indexes/rollback/")
        assert response.status_code == 200
        assert response.json()["id"] == first.pk
        assert response.json()["is_active"]


class TestTrainings:
    @pytest.fixture
    def starter(self, db: None) -> ModelVersion:
        for number in range(120):
            colour = ("red", "green", "blue", "yellow")[number % 4]
            image = add_picture(colour, shade=number // 4, captions=(f"{colour} {number}",))
            Image.objects.filter(pk=image.pk).update(split="test" if number < 20 else "train")
        return ModelVersion.objects.create(
            name="starter", reference="starter", fingerprint="5" * 64, dim=512, image_size=260
        )

    def test_one_is_queued(self, staff_client: Client, starter: ModelVersion) -> None:
        wanted = {"base": starter.pk, "tune": "text", "recipe": {"epochs": 2}, "name": "words"}
        response = post(staff_client, "/trainings/", wanted)
        assert response.status_code == 202, response.content
        assert response.json()["kind"] == "train"
        assert Job.objects.get().params == {**wanted, "collection": ""}

    @pytest.mark.parametrize("recipe", [{"epochs": 0}, {"wings": 2}])
    def test_an_impossible_recipe_is_refused(
        self, recipe: dict[str, Any], staff_client: Client, starter: ModelVersion
    ) -> None:
        response = post(staff_client, "/trainings/", {"base": starter.pk, "recipe": recipe})
        body = problem(response, 409)
        assert body["type"].endswith(":training-refused")
        assert next(iter(recipe)) in body["detail"]
        assert not Job.objects.exists()

    @pytest.mark.parametrize("collection", ["None", "\0"])
    def test_what_does_not_exist_is_named(
        self, collection: str, staff_client: Client, db: None
    ) -> None:
        wanted = {"base": 987, "collection": collection, "tune": "wings"}
        body = problem(post(staff_client, "/trainings/", wanted), 400)
        assert set(body["errors"]) == {"base", "collection", "tune"}

    def test_curves_are_read_in_order_and_to_the_end(self, staff_client: Client, db: None) -> None:
        job = training()
        url: str | None = f"{API}/jobs/{job.pk}/metrics/?limit=9"
        steps = []
        while url:
            answer = staff_client.get(url).json()
            steps += [(point["values"]["kind"], point["step"]) for point in answer["results"]]
            url = answer["next"]
        assert len(steps) == 22
        assert [step for _, step in steps] == sorted(step for _, step in steps)
        assert steps.count(("epoch", 20)) == 1


class TestEvaluations:
    def test_reading(
        self, staff_client: Client, live: ModelVersion, before: Evaluation, after: Evaluation
    ) -> None:
        listed = staff_client.get(f"{API}/evaluations/").json()["results"]
        assert [row["id"] for row in listed] == [after.pk, before.pk]
        mine = staff_client.get(f"{API}/evaluations/", {"model": live.pk}).json()["results"]
        assert [row["id"] for row in mine] == [before.pk]
        one = staff_client.get(mine[0]["url"]).json()
        assert one["metrics"]["text_to_image"]["hit_rate@1"] == 0.5
        assert one["composition"]["kinds"]["colour"]["won"] == 7
        assert "outcomes" not in one
        assert staff_client.get(one["page"]).status_code == 200

    def test_asking_for_one(self, staff_client: Client, live: ModelVersion) -> None:
        wanted = {"model": live.pk, "protocol": "karpathy-1k", "gallery": "split"}
        response = post(staff_client, "/evaluations/", wanted)
        assert response.status_code == 202
        assert Job.objects.get(kind=Job.Kind.EVALUATE).params == {
            **wanted, "split": "test", "collection": "", "composition": False,
        }  # fmt: skip
        few = wanted | {"protocol": "reference-100"}
        refused = problem(post(staff_client, "/evaluations/", few), 409)
        assert "reference-100 draws 100 captioned pictures" in refused["detail"]
        bad = {"model": live.pk, "protocol": "mine", "split": "best"}
        assert set(problem(post(staff_client, "/evaluations/", bad), 400)["errors"]) == {
            "protocol",
            "split",
        }

    def test_outcomes_come_in_pages(
        self, staff_client: Client, before: Evaluation, indexed: dict[str, Image]
    ) -> None:
        path = f"{API}/evaluations/{before.pk}/outcomes/"
        first = staff_client.get(path, {"limit": 1}).json()
        assert first["count"] == 2
        assert first["results"] == [
            {
                "query": "red",
                "relevant": [str(indexed["red"].pk)],
                "rank": 1,
                "top": [str(indexed["red"].pk)],
            }
        ]
        second = staff_client.get(first["next"]).json()
        assert second["results"][0]["rank"] == 9
        assert second["next"] is None
        problem(staff_client.get(path, {"limit": 0}), 400)

    def test_comparing(self, staff_client: Client, before: Evaluation, after: Evaluation) -> None:
        pair = {"live": before.pk, "candidate": after.pk}
        answer = staff_client.get(f"{API}/comparison/", pair).json()
        found = answer["metrics"]["hit_rate@5"]
        assert (found["live"], found["candidate"], found["difference"]) == (0.5, 1.0, 0.5)
        assert found["low"] <= 0.5 <= found["high"]
        assert 0 < found["p_value"] <= 1
        assert [change["query"] for change in answer["better"]] == ["blue"]
        assert [change["query"] for change in answer["worse"]] == ["red"]
        assert {name: answer[name] for name in pair} == pair

    def test_what_cannot_be_compared(
        self, staff_client: Client, before: Evaluation, indexed: dict[str, Image]
    ) -> None:
        other = measured(before.model_version, {"else": (indexed["red"], 1)})
        pair = {"live": before.pk, "candidate": other.pk}
        body = problem(staff_client.get(f"{API}/comparison/", pair), 409)
        assert body["type"].endswith(":not-comparable")
        problem(staff_client.get(f"{API}/comparison/", {"live": before.pk, "candidate": 987}), 404)
        problem(staff_client.get(f"{API}/comparison/", {"live": before.pk}), 400)


class TestQuerySets:
    def test_the_whole_life_of_one(
        self, staff_client: Client, staff: User, indexed: dict[str, Image]
    ) -> None:
        red, blue = indexed["red"].pk, indexed["blue"].pk
        wanted = {"name": "Weekly", "queries": [{"text": "warm", "relevant": [red]}]}
        response = post(staff_client, "/query-sets/", wanted)
        assert response.status_code == 201, response.content
        made = response.json()
        assert response["Location"] == made["url"]
        assert (made["tolerance"], made["created_by"]) == (0.02, "staff")
        assert made["queries"] == wanted["queries"]

        def patch(data: Any) -> Any:
            return staff_client.patch(made["url"], data, content_type="application/json")

        changed = patch({"tolerance": 0.2}).json()
        assert changed["tolerance"] == 0.2
        assert changed["queries"] == wanted["queries"]  # they stay
        queries = [{"text": "cold", "relevant": [blue]}, {"text": "both", "relevant": [red, blue]}]
        assert patch({"queries": queries}).json()["queries"] == queries
        assert staff_client.get(made["url"]).json()["name"] == "Weekly"
        assert staff_client.delete(made["url"]).status_code == 204
        problem(staff_client.get(made["url"]), 404)

    def test_what_is_wrong_is_said(self, staff_client: Client, indexed: dict[str, Image]) -> None:
        red = indexed["red"].pk
        query_set({"red": [indexed["red"]]}, name="Taken")
        for wanted in (
            {"name": "New", "queries": []},
            {"name": "New", "queries": [{"text": "x", "relevant": []}]},
            {"name": "New", "queries": [{"text": "x", "relevant": [987]}]},
            {"name": "New", "queries": [{"text": " ", "relevant": [red]}]},
            {"name": "Taken", "queries": [{"text": "x", "relevant": [red]}]},
            {"name": "New", "tolerance": 3, "queries": [{"text": "x", "relevant": [red]}]},
        ):
            problem(post(staff_client, "/query-sets/", wanted), 400)
        assert SavedQuerySet.objects.get().name == "Taken"


def test_members_get_none_of_it(
    member_client: Client, before: Evaluation, live: ModelVersion
) -> None:
    for path in ("models", "promotions", "evaluations", "query-sets"):
        problem(member_client.get(f"{API}/{path}/"), 403)
    for path in ("/trainings/", "/indexes/rollback/", f"/models/{live.pk}/promote/"):
        problem(post(member_client, path), 403)
