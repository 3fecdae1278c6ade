"""The whole loop at the command line, and what it says when something cannot be done."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from gallery.models import Evaluation, IndexVersion, Job, ModelVersion
from gallery.services.training import TrainingParams, request_training
from tests.pictures_of_colours import colour_jpeg

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

SANE = ("--tune", "all", "--epochs", "2", "--batch-size", "32", "--augment", "none")


def told(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def live_model() -> ModelVersion:
    index = IndexVersion.objects.active()
    assert index is not None
    return index.model_version


@pytest.mark.also_on_postgres
def test_train_promote_roll_back_and_carry_away(live: ModelVersion, tmp_path: Path) -> None:
    said = told("finetune", "--name", "Better", "--learning-rate", "1e-4", *SANE)
    assert "Better" in said
    assert "passed" in said
    candidate = ModelVersion.objects.get(name="Better")
    assert candidate.recipe["learning_rate"] == 1e-4
    assert candidate.recipe["batch_size"] == 32

    assert "passed" in told("promote", "Better")
    assert live_model() == candidate
    assert f"{live} is live now." in told("rollback")
    assert live_model() == live
    with pytest.raises(CommandError, match="nothing to go back to"):
        call_command("rollback")

    file = tmp_path / "better.bundle"
    assert "96 pictures" in told("export_bundle", str(file), "--model", "Better")
    said = told("import_bundle", str(file), "--activate")
    assert "96 are here, 0 are not" in said
    assert "taken as it was" in said
    assert "It is live now." in said
    assert live_model() == candidate
    with pytest.raises(CommandError, match="exists already"):
        call_command("export_bundle", str(file))


def test_a_wrecking_rate_ends_with_another_status_and_is_refused(live: ModelVersion) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("finetune", "--name", "Wreck", "--learning-rate", "0.1", *SANE)
    assert ended.value.code == 4
    with pytest.raises(CommandError, match=r"Wreck is not promoted. On 16 test queries"):
        call_command("promote", "Wreck")
    assert live_model() == live
    assert "overridden" in told("promote", "Wreck", "--override", "To show it.")
    assert live_model().name == "Wreck"


def test_evaluate(live: ModelVersion, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    found = json.loads(told("evaluate", "--json", "--html", str(report)))
    assert found["text_to_image"]["queries"] == 16
    assert found["text_to_image"]["hit_rate@5"] == 1.0
    assert "outcomes" not in found
    assert report.read_text().startswith("<!doctype html>")
    kept = Evaluation.objects.get()
    assert kept.model_version == live
    assert len(kept.outcomes) == 16

    found = json.loads(told("evaluate", "--gallery", "indexed", "--json"))
    assert found["text_to_image"]["gallery"] == 96
    top = Evaluation.objects.latest("pk").outcomes[0]["top"]
    assert all(name.isdecimal() for name in top)

    parts = [
        json.loads(told("evaluate", "--split", part, "--json"))["text_to_image"]["queries"]
        for part in ("train", "validation", "all")
    ]
    assert parts == [72, 8, 96]


def test_evaluate_a_folder(live: ModelVersion, tmp_path: Path) -> None:
    for colour in ("red", "blue"):
        (tmp_path / f"{colour}.jpg").write_bytes(colour_jpeg(colour, shade=5))
    lines = [f'{{"file_name": "{colour}.jpg", "text": "{colour}"}}' for colour in ("red", "blue")]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    found = json.loads(told("evaluate", "--dataset", str(tmp_path), "--json"))
    assert found["text_to_image"]["hit_rate@1"] == 1.0
    with pytest.raises(CommandError, match="no split called 'test'"):
        call_command("evaluate", "--dataset", str(tmp_path), "--split", "test")


def test_what_cannot_be_done_is_said_in_words(live: ModelVersion) -> None:
    for arguments, words in (
        (("promote", "999"), "There is no model 999"),
        (("promote", str(live.pk)), "live already"),
        (("promote", "nowhere/at/all"), "There is no model 'nowhere/at/all'"),
        (("finetune", "--collection", "Nothing"), "There are 0 captioned pictures"),
        (("finetune", "--learning-rate", "-1"), "learning_rate must be above 0"),
        (("import_bundle", "nothing.bundle"), "nothing.bundle cannot be read"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command(*arguments)
    other = ModelVersion.objects.create(
        name=live.name, reference="x", fingerprint="ab" * 32, dim=24, image_size=32
    )
    with pytest.raises(CommandError, match=f"by its number: {other.pk}, {live.pk}"):
        call_command("promote", live.name)


def test_one_training_at_a_time_here_too(live: ModelVersion) -> None:
    running = Job.objects.claim(request_training(TrainingParams(), user=None).pk)
    assert running is not None
    with pytest.raises(CommandError, match="Another training or evaluation is running"):
        call_command("finetune", *SANE)
    assert Job.objects.latest("pk").status == Job.Status.CANCELLED
