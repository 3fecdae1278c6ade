"""Words are as the records are, however those change."""

from collections import Counter
from collections.abc import Callable
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from gallery.fulltext import ask, catch_up, find, keep_up, triggers, upkeep
from gallery.fulltext.rows import counted
from gallery.models import Caption, Collection, Image, ImageText, Lexeme, StaleText, Tag
from gallery.services import bulk, images
from tests.gallery.fulltext.rows import add_record
from tests.pictures_of_colours import add_picture

pytestmark = pytest.mark.django_db


def is_found(text: str, image: Image) -> bool:
    return image.pk in find(ask(text), 50)


def stale_ids() -> list[int]:
    return [pk for _, some in upkeep.stale() for pk in some]


def assert_all_is_well() -> None:
    """Words and counts are as if they were made anew."""
    assert stale_ids() == []
    counts: Counter[str] = Counter()
    for row in ImageText.objects.all():
        counts.update(counted(row))
    assert dict(Lexeme.objects.values_list("text", "documents")) == counts


CHANGES: dict[str, Callable[[Image], object]] = {
    "title": lambda image: images.update_image(image, {"title": "zeppelin"}),
    "captions": lambda image: images.set_captions(image, ["A zeppelin."]),
    "another caption": lambda image: images.add_caption(image, "A zeppelin."),
    "a caption": lambda image: images.change_caption(image.captions.get(), "A zeppelin."),
    "tags": lambda image: images.update_image(image, {"tags": ["zeppelin"]}),
    "collection": lambda image: images.update_image(image, {"collection": "zeppelin"}),
    "bulk tags": lambda image: bulk.change_images([image.pk], bulk.Change(add_tags=["zeppelin"])),
    "bulk collection": lambda image: bulk.change_images(
        [image.pk], bulk.Change(collection="zeppelin")
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_service_writes_is_found_at_once(change: str) -> None:
    image = add_picture("red", captions=("A kite.",))
    assert is_found("kite", image)
    assert not is_found("zeppelin", image)
    CHANGES[change](image)
    assert is_found("zeppelin", image)
    assert_all_is_well()
    assert not StaleText.objects.exists()


def test_what_is_taken_away_is_not_found_any_more() -> None:
    image = add_picture("red", captions=("A kite.", "A zeppelin."))
    images.delete_caption(image.captions.first())  # type: ignore[arg-type]
    assert not is_found("kite", image)
    images.delete_images([image])
    assert not ImageText.objects.exists()
    assert not Lexeme.objects.exists()


PAST_ALL_SERVICES: dict[str, Callable[[Image], object]] = {
    "a tag is renamed": lambda _: Tag.objects.update(name="zeppelin"),
    "a collection is renamed": lambda _: Collection.objects.update(name="zeppelin"),
    "a caption is changed": lambda _: Caption.objects.update(text="zeppelin"),
    "a title is changed": lambda _: Image.objects.update(title="zeppelin"),
    "a creator is changed": lambda _: Image.objects.update(creator="zeppelin"),
    "a credit is changed": lambda _: Image.objects.update(credit="zeppelin"),
    "a source is changed": lambda _: Image.objects.update(source="imports/zeppelin.png"),
}


@pytest.mark.parametrize("change", PAST_ALL_SERVICES)
def test_what_anything_writes_is_found_after_maintenance(change: str) -> None:
    image = add_record(
        "A kite.", title="kite", tags=("kite",), collection="kite", source="kite.jpg"
    )
    keep_up()
    PAST_ALL_SERVICES[change](image)
    keep_up()
    assert is_found("zeppelin", image)
    assert_all_is_well()


def test_a_caption_that_moves_changes_both_pictures() -> None:
    one, other = add_record("A zeppelin."), add_record()
    keep_up()
    Caption.objects.update(image=other)
    keep_up()
    assert not is_found("zeppelin", one)
    assert is_found("zeppelin", other)


def test_what_changes_no_words_leaves_no_note() -> None:
    add_record("A kite.")
    keep_up()
    Image.objects.update(visibility="private", title="")
    assert not StaleText.objects.exists()


def test_a_change_that_is_taken_back_leaves_everything_as_it_was() -> None:
    image = add_picture("red", captions=("A kite.",))
    with transaction.atomic():
        images.update_image(image, {"title": "zeppelin"})
        transaction.set_rollback(True)
    assert not is_found("zeppelin", image)
    assert_all_is_well()


def test_the_latest_change_comes_first_and_what_is_left_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upkeep, "BATCH", 2)
    many = [add_record(f"kite {number}") for number in range(5)]
    assert catch_up(1) == 2
    assert set(ImageText.objects.values_list("pk", flat=True)) == {many[4].pk, many[3].pk}
    assert catch_up() == 3
    assert_all_is_well()


def test_nothing_is_begun_when_the_time_is_over() -> None:
    add_record("kite")
    assert catch_up(seconds=0) == 0


def test_the_api_writes_captions_that_are_found(staff: User, client: Client) -> None:
    image = add_picture("red")
    client.force_login(staff)
    address = f"/api/v1/images/{image.pk}/captions/"
    json = "application/json"
    made = client.post(address, {"text": "A zeppelin."}, json).json()
    assert is_found("zeppelin", image)
    client.patch(f"{address}{made['id']}/", {"text": "A kite."}, json)
    assert is_found("kite", image)
    assert not is_found("zeppelin", image)
    client.delete(f"{address}{made['id']}/")
    assert not is_found("kite", image)


def test_what_the_admin_renames_is_found_at_once(admin_client: Client) -> None:
    image = add_record(tags=("kite",), collection="kite")
    keep_up()
    for model in ("tag", "collection"):
        pk = {"tag": Tag, "collection": Collection}[model].objects.get().pk  # type: ignore[attr-defined]
        address = reverse(f"admin:gallery_{model}_change", args=[pk])
        admin_client.post(address, {"name": f"{model} zeppelin", "description": ""})
        assert is_found(f"{model} zeppelin", image)
        admin_client.post(reverse(f"admin:gallery_{model}_delete", args=[pk]), {"post": "yes"})
        assert not is_found(model, image)
    assert_all_is_well()


def test_the_command_writes_what_is_left_and_finds_what_is_stale() -> None:
    image = add_record("A zeppelin.")
    shown = StringIO()
    call_command("index_words", stdout=shown)
    assert "1 written" in shown.getvalue()
    ImageText.objects.update(caption="kite")
    assert stale_ids() == [image.pk]
    call_command("index_words", "--rebuild", stdout=shown)
    assert_all_is_well()


def test_words_without_a_picture_and_pictures_without_words_are_stale() -> None:
    one, other = add_record("kite"), add_record("kite")
    keep_up()
    ImageText.objects.filter(pk=one.pk).delete()
    ImageText.objects.create(image_id=other.pk + 7, title="kite", lexemes="s:kite")
    assert stale_ids() == [one.pk, other.pk + 7]


def test_triggers_that_are_gone_are_made_again_and_all_is_looked_at() -> None:
    image = add_record("kite")
    keep_up()
    triggers.TRIGGERS.remove(connection)
    assert not triggers.TRIGGERS.are_installed(connection)
    with pytest.raises(SystemCheckError, match=r"contextvision\.W013"):
        call_command("check", databases=["default"], fail_level="WARNING")
    Caption.objects.update(text="zeppelin")
    keep_up()
    assert not is_found("zeppelin", image)
    call_command("migrate", verbosity=0)
    assert triggers.TRIGGERS.are_installed(connection)
    keep_up()
    assert is_found("zeppelin", image)


def test_long_texts_are_bounded() -> None:
    image = add_record(
        *(" ".join(f"w{n}x{m}" for n in range(600)) for m in range(10)), title="kite"
    )
    keep_up()
    assert is_found("kite", image)
    assert len(ImageText.objects.get().lexemes.split()) == 4_000
