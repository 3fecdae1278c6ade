"""Looking after many pictures: choosing, changing, captions in place, deleting."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from gallery.models import Image
from tests.browser.conftest import Door
from tests.flows.worker import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(door: Door, staff: User, gallery: dict[str, Image]) -> Page:
    return door.enter(staff).open("/manage/")


def captions_of(image: Image) -> list[str]:
    return [caption.text for caption in image.captions.all()]


def test_many_are_chosen_and_changed(page: Page, gallery: dict[str, Image]) -> None:
    boxes = page.locator("#managed input[name=image]")
    count = page.locator("#chosen-count")
    boxes.nth(1).check()
    boxes.nth(4).click(modifiers=["Shift"])
    expect(count).to_have_text("4 chosen: change or delete")
    page.locator(".managed-picture img").nth(2).click()
    expect(count).to_have_text("3 chosen: change or delete")
    page.get_by_label("All on this page").check()
    expect(count).to_have_text(f"{len(gallery)} chosen: change or delete")
    page.get_by_label("All on this page").uncheck()
    expect(count).to_have_text("None chosen")
    page.get_by_label(f"All {len(gallery)} pictures").check()
    expect(count).to_have_text(f"{len(gallery)} chosen: change or delete")
    count.click()
    page.get_by_label("Add tags").fill("colour")
    page.get_by_label("Move to collection").fill("Squares")
    page.get_by_role("button", name="Change them").click()
    expect(page.get_by_text(f"tag “colour” added to {len(gallery)}")).to_be_visible()
    assert Image.objects.filter(tags__name="colour", collection__name="Squares").count() == len(
        gallery
    )


@pytest.mark.parametrize("scripts", [True, False])
def test_chosen_ones_are_changed_and_deleted(
    door: Door, staff: User, gallery: dict[str, Image], scripts: bool
) -> None:
    page = door.enter(staff, java_script_enabled=scripts).open("/manage/?tag=warm")
    page.get_by_label("Choose red-0").check()
    page.locator(".bulk summary").click()
    page.get_by_label("Remove tags").fill("warm")
    page.get_by_role("button", name="Change them").click()
    expect(page.get_by_text("tag “warm” removed from 1")).to_be_visible()
    expect(page.get_by_label("Choose red-0")).to_have_count(0)  # the filter stays
    page.get_by_label("Choose orange-0").check()
    page.locator(".bulk summary").click()
    page.get_by_role("button", name="Delete them…").click()
    expect(page.get_by_role("heading", name="Delete 1 picture?")).to_be_visible()
    page.get_by_role("link", name="Keep them").click()
    page.get_by_label("Choose orange-0").check()
    page.locator(".bulk summary").click()
    page.get_by_role("button", name="Delete them…").click()
    page.get_by_role("button", name="Delete them").click()
    expect(page.get_by_text("1 picture was deleted.")).to_be_visible()
    assert not Image.objects.filter(pk=gallery["orange"].pk).exists()


def test_captions_are_written_in_place(page: Page, gallery: dict[str, Image]) -> None:
    card = page.locator("#managed > li").filter(has=page.get_by_label("Choose green-0"))
    fields = card.locator("input[name=caption]")
    fields.first.fill("A lawn")
    fields.first.press("Enter")
    expect(card.get_by_text("Saved")).to_be_visible()
    assert captions_of(gallery["green"]) == ["A lawn"]
    fields.first.fill("never mind")
    fields.first.press("Escape")
    expect(fields.first).to_have_value("A lawn")
    fields.nth(1).fill("Seen from above")
    fields.nth(1).blur()
    expect(fields).to_have_count(3)
    both = ["A lawn", "Seen from above"]
    # There is a field more before the answer has come, and "Saved" stood there from before.
    wait_until(lambda: captions_of(gallery["green"]) == both, seconds=5, what="the second caption")
    fields.first.evaluate("field => { field.removeAttribute('maxlength') }")
    fields.first.fill("x" * 5001)
    fields.first.blur()
    expect(card.get_by_text("is too long: 5000 characters at most")).to_be_visible()
    assert captions_of(gallery["green"]) == both


def test_captions_without_a_script(door: Door, staff: User, gallery: dict[str, Image]) -> None:
    page = door.enter(staff, java_script_enabled=False).open("/manage/?words=green")
    page.get_by_label("Caption of green-0").fill("A lawn")
    page.get_by_label("Add a caption to green-0").fill("Seen from above")
    page.get_by_role("button", name="Save captions").click()
    expect(page.get_by_text("The captions of “green-0” were saved.")).to_be_visible()
    expect(page).to_have_url(f"{door.site}/manage/?words=green")
    assert captions_of(gallery["green"]) == ["A lawn", "Seen from above"]


def test_an_owner_looks_after_his_own(door: Door, member: User, gallery: dict[str, Image]) -> None:
    Image.objects.filter(pk=gallery["blue"].pk).update(owner=member)
    page = door.enter(member).open("/")
    page.get_by_role("link", name="Your pictures").click()
    expect(page.locator("#managed > li")).to_have_count(1)
    page.get_by_role("link", name="blue-0").click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Title").fill("Sky")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
