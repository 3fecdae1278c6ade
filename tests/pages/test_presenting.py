"""What people read about a job."""

from datetime import timedelta

import pytest
from django.utils import timezone

from gallery.jobs.cards import JobCard, spell_duration
from gallery.models import Job
from gallery.views.training import TrainingCard
from mlcore.i18n import Message
from tests.learning import REASON, REASON_WORDS


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "under a second"),
        (1, "1 second"),
        (59.4, "59 seconds"),
        (60, "1 minute"),
        (185, "3 minutes 5 s"),
        (1505, "25 minutes"),
        (3600, "1 hour"),
        (7260, "2 hours 1 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert spell_duration(timedelta(seconds=seconds)) == words


def running(seconds: float, done: int, total: int, kind: str = Job.Kind.EMBED) -> JobCard:
    started = timezone.now() - timedelta(seconds=seconds)
    return JobCard(
        Job(kind=kind, status=Job.Status.RUNNING, started_at=started, done=done, total=total)
    )


def test_rate_and_time_left() -> None:
    card = running(20, done=200, total=1000)
    assert card.rate == "10 pictures a second"
    assert card.time_left == "about 1 minute 20 s left"


def test_a_slow_rate_is_told_by_the_minute() -> None:
    assert running(60, done=6, total=8).rate == "6 pictures a minute"


def test_a_training_is_not_done_with_its_last_step() -> None:
    card = running(20, done=60, total=120, kind=Job.Kind.TRAIN)
    card.job.message = Message.of("stage.epoch", number=1, total=2)
    assert card.percent == 50
    card.job.done = 120
    assert card.percent is None  # the gate comes after it
    card.job.message, card.job.done = Message("stage.encoding_pictures"), 8
    assert card.percent is None
    assert running(20, done=60, total=120).percent == 50


def test_the_time_left_of_a_training_is_told_in_its_epochs_alone() -> None:
    job = running(20, done=60, total=120, kind=Job.Kind.TRAIN).job
    job.message = Message.of("stage.epoch", number=1, total=2)
    assert ("Time left", "about 9 seconds") in TrainingCard(job, [{"seconds_left": 9.0}]).news
    assert TrainingCard(job, [{"seconds_left": 0.0}]).news == []
    job.message = Message("stage.encoding_pictures")
    assert TrainingCard(job, [{"seconds_left": 9.0}]).news == []


def test_no_rate_is_made_up() -> None:
    assert running(1, done=50, total=100).rate == ""
    assert running(20, done=0, total=100).time_left == ""
    assert running(20, done=1, total=3, kind=Job.Kind.INDEX).rate == ""
    assert running(20, done=50, total=0).time_left == ""


@pytest.mark.parametrize(
    ("kind", "result", "sentence"),
    [
        ("embed", {"embedded": 1, "failed": 0, "model": "m"}, "1 picture embedded with m."),
        (
            "embed",
            {"embedded": 1200, "failed": 2, "model": "m"},
            "1,200 pictures embedded with m, 2 failed.",
        ),
        (
            "index",
            {"index": 4, "pictures": 9, "model": "m"},
            "Index 4 is live with 9 pictures from m.",
        ),
        (
            "index",
            {"superseded": True},
            "Another index was made live meanwhile, so this one was put aside.",
        ),
        (
            "import",
            {"layout": "x", "added": 3, "already_there": 2, "failed": 1, "captions": 15},
            "3 pictures added, 2 already there, 1 refused, 15 captions read.",
        ),
        ("train", {"best_epoch": 3}, "best epoch: 3."),
        (
            "train",
            {"name": "n", "pictures": 90, "captions": 1, "best_epoch": 3, "gate": "passed"},
            "n was trained on 90 pictures with 1 caption. The best epoch was 3. It passed the gate "
            "and can go live.",
        ),
        (
            "train",
            {
                "name": "n",
                "pictures": 9,
                "captions": 9,
                "left_out": 2,
                "gate": "failed",
                "reasons": [REASON],
            },
            "n was trained on 9 pictures with 9 captions. 2 were left out, as they look like "
            f"ones for validation or test. The gate refuses it. {REASON_WORDS}",
        ),
        (
            "evaluate",
            {"model": "m", "queries": 1, "gallery": 1000, "hit_rate@5": 0.5, "mrr": 0.25},
            "m, 1 query among 1,000 pictures: Hit rate at 5 0.500, MRR 0.250.",
        ),
        (
            "promote",
            {"name": "n", "index": 4, "embedded": 300, "gate": "overridden"},
            "n is live with index 4; 300 pictures embedded anew. The gate was passed over, with "
            "the reason that was given.",
        ),
    ],
)
def test_outcomes(kind: str, result: dict[str, object], sentence: str) -> None:
    assert JobCard(Job(kind=kind, status="succeeded", result=result)).outcome == sentence


def test_states() -> None:
    assert JobCard(Job(status="failed", is_defect=True)).state == "defect"
    assert JobCard(Job(status="failed")).state == "failed"
    assert JobCard(Job(status="running", cancel_requested=True)).state == "stopping"
    assert JobCard(Job(status="cancelled", cancel_requested=True)).state == "cancelled"
    assert JobCard(Job(status="queued")).state_in_words == "Waiting for a worker"


def test_long_parameters_are_cut_short() -> None:
    card = JobCard(Job(params={"images": list(range(1, 1001)), "path": "/a"}))
    assert card.details == [("pictures", "1, 2, 3, 4, 5 and 995 more"), ("path", "a")]
