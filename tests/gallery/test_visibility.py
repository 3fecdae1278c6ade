"""Pictures that some may see: how it is said, on every way in, and what follows from it."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from gallery.models import Collection, Image
from gallery.models.choices import Visibility
from gallery.services.images import show_images
from search.facets import facets
from search.filters import ImageFilter
from tests.pictures_of_colours import add_picture, colour_jpeg

pytestmark = pytest.mark.django_db


@pytest.fixture
def club(member: User) -> Group:
    club = Group.objects.create(name="club")
    member.groups.add(club)
    return club


@pytest.fixture
def picture(staff: User) -> Image:
    return add_picture("red", captions=("all red",), owner=staff)


def seen_by(user: User | AnonymousUser) -> bool:
    return Image.objects.visible_to(user).exists()


def test_each_visibility_is_for_those_whom_it_names(
    picture: Image, club: Group, member: User, staff: User
) -> None:
    others = User.objects.create_user("other")
    audience = {}
    for visibility in Visibility.values:
        show_images([picture.pk], visibility, [club])
        audience[visibility] = [
            seen_by(user)
            for user in (AnonymousUser(), others, member, staff, User(is_superuser=True))
        ]
    assert audience == {
        "public": [True, True, True, True, True],
        "signed-in": [False, True, True, True, True],
        "groups": [False, False, True, True, True],
        "private": [False, False, False, True, True],
    }


def test_who_leaves_a_group_sees_its_pictures_no_more(
    picture: Image, club: Group, member: User
) -> None:
    show_images([picture.pk], "groups", [club])
    assert seen_by(member)
    member.groups.remove(club)
    assert not seen_by(User.objects.get(pk=member.pk))


def test_groups_are_forgotten_with_the_visibility(
    picture: Image, club: Group, member: User
) -> None:
    assert show_images([picture.pk], "groups", [club]) == 1
    assert show_images([picture.pk], "groups", [club]) == 0
    assert show_images([picture.pk], "groups", []) == 1
    assert not seen_by(member)
    show_images([picture.pk], "groups", [club])
    show_images([picture.pk], "private")
    assert not picture.groups.exists()


def test_pages_say_it(picture: Image, club: Group, staff: User, member: User) -> None:
    client = Client()
    client.force_login(staff)
    edit = reverse("gallery:image-edit", args=[picture.pk])
    missing = client.post(edit, {"title": "x", "visibility": "groups"})
    assert missing.status_code == 422
    assert "Choose at least one group." in missing.content.decode()
    client.post(edit, {"title": "x", "visibility": "groups", "groups": [club.pk]})
    assert seen_by(member)
    page = client.get(reverse("gallery:image", args=[picture.pk])).content.decode()
    assert "(club)" in page
    client.force_login(member)
    page = client.get(reverse("gallery:image", args=[picture.pk])).content.decode()
    assert "members of groups, its owner and editors" in page
    assert "club" not in page  # who else is let in, is for the owner to know
    client.force_login(staff)
    bulk = {"image": [picture.pk], "do": "change", "visibility": "signed-in"}
    client.post(reverse("gallery:manage"), bulk)
    picture.refresh_from_db()
    assert picture.visibility == Visibility.SIGNED_IN
    client.post(reverse("gallery:manage"), {**bulk, "visibility": "groups", "groups": [club.pk]})
    assert [group.name for group in picture.groups.all()] == ["club"]


def test_one_shows_pictures_to_groups_of_ones_own(
    club: Group, member: User, staff: User, picture: Image
) -> None:
    Group.objects.create(name="others")
    mine = add_picture("blue", owner=member)
    client = Client()
    client.force_login(member)
    page = client.get(reverse("gallery:image-edit", args=[mine.pk])).content.decode()
    assert "club" in page
    assert "others" not in page
    member.groups.clear()
    page = client.get(reverse("gallery:image-edit", args=[mine.pk])).content.decode()
    assert "Members of groups" not in page


def test_programs_say_it(picture: Image, club: Group, staff: User, member: User) -> None:
    client = Client()
    client.force_login(staff)
    path = reverse("api:image-detail", args=[picture.pk])

    def patch(**changes: Any) -> Any:
        return client.patch(path, changes, content_type="application/json")

    changed = patch(visibility="groups", groups=["club"]).json()
    assert (changed["visibility"], changed["groups"]) == ("groups", ["club"])
    assert "groups" in patch(visibility="groups").json()["errors"]
    assert "groups" in patch(groups=["club"]).json()["errors"]
    assert "no group knights" in str(patch(visibility="groups", groups=["knights"]).json())
    client.force_login(member)
    assert client.get(path).json()["groups"] is None
    assert patch(visibility="public").status_code == 403
    client.force_login(staff)
    upload = {
        "file": SimpleUploadedFile("new.jpg", colour_jpeg("green")),
        "visibility": "groups",
        "groups": ["club"],
    }
    sent = client.post(reverse("api:image-list"), upload).json()["results"][0]["image"]
    assert sent["groups"] == ["club"]


def test_imports_say_it(tmp_path: Path, club: Group, member: User) -> None:
    (tmp_path / "red.jpg").write_bytes(colour_jpeg("red"))
    call_command("import_images", str(tmp_path), "--group", "club")
    image = Image.objects.get()
    assert (image.visibility, list(image.groups.all())) == ("groups", [club])
    call_command("import_images", str(tmp_path), "--visibility", "signed-in", "--update")
    image.refresh_from_db()
    assert (image.visibility, image.groups.count()) == ("signed-in", 0)
    for wrong in (
        ("--group", "knights"),
        ("--visibility", "groups"),
        ("--private", "--visibility", "public"),
    ):
        with pytest.raises(CommandError):
            call_command("import_images", str(tmp_path), *wrong)


def test_filters_count_what_one_sees(club: Group, member: User, staff: User) -> None:
    collection = Collection.objects.create(name="Beach")
    for shade, visibility in enumerate(Visibility.values):
        image = add_picture("red", shade=shade, visibility=visibility, owner=staff)
        image.groups.set([club])
    Image.objects.update(collection=collection)

    def counted(user: User | None) -> int:
        [beach] = [
            choice.count
            for facet in facets(user, ImageFilter())
            if facet.name == "collection"
            for choice in facet.choices
        ]
        return beach

    other = User.objects.create_user("other")
    assert [counted(user) for user in (None, other, member, staff)] == [1, 2, 3, 4]


def test_strangers_cost_no_query_more(
    picture: Image, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        assert len(Image.objects.visible_to(AnonymousUser())) == 1


def test_a_contributor_changes_nothing_of_others_by_sending_their_pictures_again(
    staff: User, member: User, club: Group
) -> None:
    from gallery.services.accounts import give_roles

    give_roles(member, ["contributor"])
    hidden = add_picture("red", captions=("secret",), owner=staff, visibility="private")
    client = Client()
    client.force_login(member)
    twin = SimpleUploadedFile("twin.jpg", colour_jpeg("red"))
    answer = client.post(
        reverse("api:image-list"), {"file": twin, "captions": "mine", "tags": "mine"}
    )
    assert answer.status_code == 200
    assert answer.json()["results"][0]["image"] is None
    assert "secret" not in answer.content.decode()
    form = {"known": hidden.sha256, "name": "twin.jpg", "captions": "mine", "visibility": "public"}
    assert client.post(reverse("gallery:upload-file"), form).json() == {"state": "known"}
    hidden.refresh_from_db()
    assert [caption.text for caption in hidden.captions.all()] == ["secret"]
    assert not hidden.tags.exists()
    assert hidden.visibility == Visibility.PRIVATE
