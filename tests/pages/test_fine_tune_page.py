"""The form that starts a training."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from gallery.models import Collection, Image, Job, ModelVersion
from tests.pictures_of_colours import add_picture

pytestmark = pytest.mark.django_db

PAGE = "/fine-tune/"


@pytest.fixture
def starter(db: None) -> ModelVersion:
    """A model that a training can start from; it is only read by its name here."""
    return ModelVersion.objects.create(
        name="starter", reference="starter", fingerprint="5" * 64, dim=512, image_size=260
    )


@pytest.fixture
def captioned(db: None) -> list[Image]:
    """Enough captioned pictures to learn from and to judge by."""
    shades = [
        add_picture(colour, shade=shade, captions=(f"a {colour} square, {shade}",))
        for colour in ("red", "green", "blue", "yellow")
        for shade in range(30)
    ]
    for number, image in enumerate(shades):
        image.split = "test" if number < 20 else "train"
        image.save()
    return shades


def send(client: Client, base: ModelVersion, **fields: Any) -> Any:
    return client.post(PAGE, {"tune": "heads", "base": base.pk, **fields})


def test_it_tells_what_there_is_to_learn_from(
    staff_client: Client, captioned: list[Image], starter: ModelVersion
) -> None:
    group = Collection.objects.create(name="Reds")
    Image.objects.filter(pk=captioned[0].pk).update(collection=group)
    html = staff_client.get(PAGE).content.decode()
    assert "20 to judge the result by (test)" in html
    assert "Reds: " in html
    for words in ("The heads only", "The words only", "LoRA", "Advanced", "Hard negatives"):
        assert words in html
    assert "80 epochs, batches of 1,000, rate 0.001" in html


def test_what_is_left_empty_is_left_to_what_is_recommended(
    staff_client: Client, staff: User, captioned: list[Image], starter: ModelVersion
) -> None:
    response = send(staff_client, starter)
    job = Job.objects.get()
    assert response["Location"] == reverse("gallery:job", args=[job.pk])
    assert job.kind == Job.Kind.TRAIN
    assert job.created_by == staff
    assert job.params == {
        "name": "", "base": starter.pk, "collection": "", "tune": "heads", "recipe": {},
    }  # fmt: skip


def test_a_recipe_is_passed_on(
    staff_client: Client, captioned: list[Image], starter: ModelVersion
) -> None:
    send(
        staff_client, starter, tune="text", name="words", epochs=3, batch_size=40,
        learning_rate="2e-5", patience=2, hard_negatives="on", robust_mixes="on",
    )  # fmt: skip
    params = Job.objects.get().params
    assert params["name"] == "words"
    assert params["tune"] == "text"
    assert params["recipe"] == {
        "epochs": 3, "batch_size": 40, "learning_rate": 2e-5, "patience": 2,
        "hard_negatives": True, "robust_mixes": [0.25, 0.5, 0.75],
    }  # fmt: skip


def test_too_few_pictures_are_refused_in_words(staff_client: Client, starter: ModelVersion) -> None:
    add_picture("red", captions=("A red square",))
    response = send(staff_client, starter)
    assert response.status_code == 422
    html = response.content.decode()
    assert 'class="errorlist nonfield"' in html
    assert "pictures" in html.split('class="errorlist nonfield"')[1][:400]
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"epochs": 0},
        {"learning_rate": "-1"},
        {"batch_size": "many"},
        {"tune": "none"},
        {"collection": "Nowhere"},
        {"collection": "\0"},
    ],
)
def test_nonsense_is_refused_at_its_field(
    fields: dict[str, Any], staff_client: Client, captioned: list[Image], starter: ModelVersion
) -> None:
    response = send(staff_client, starter, **fields)
    assert response.status_code == 422
    html = response.content.decode()
    assert "invalid" in html
    if fields.keys() <= {"epochs", "learning_rate", "batch_size"}:
        assert '<details class="fold" open>' in html  # so that the fault is seen
    assert not Job.objects.exists()


def test_a_link_chooses_the_base(
    staff_client: Client, starter: ModelVersion, settings: LazySettings
) -> None:
    html = staff_client.get(PAGE, {"base": starter.pk}).content.decode()
    assert f'<option value="{starter.pk}" selected>' in html
    assert staff_client.get(PAGE, {"base": "1; drop"}).status_code == 200
