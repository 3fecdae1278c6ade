"""The search page: words, pictures, both, filters, pages of results, and what is said instead."""

import re
import time

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

import mlcore.encoders.cache
from gallery.models import Collection, Image, IndexVersion, Tag
from gallery.models.choices import Visibility
from mlcore.errors import ModelUnavailableError
from search.engine import engine_holder
from tests.encoders import ColourEncoder
from tests.pages.conftest import HTMX, as_shown, broken, sent, uploaded
from tests.pictures_of_colours import add_many, add_picture, index_everything
from tests.search.busy import every_place_taken

pytestmark = pytest.mark.django_db

HOME = "/"


def tiles(html: str) -> list[int]:
    """Ids of the pictures of a gallery, in order."""
    return [int(pk) for pk in re.findall(r'class="tile-link" href="/images/(\d+)/"', html)]


def get(client: Client, url: str = HOME, /, **params: str | int) -> str:
    response = client.get(url, params or None)
    assert response.status_code == 200, response.content
    return response.content.decode()


def test_words_find_pictures_with_captions_and_scores(
    client: Client, indexed: dict[str, Image]
) -> None:
    html = get(client, q="something red")
    assert tiles(html)[0] == indexed["red"].pk
    assert "<!doctype html>" in html
    assert "“something red”" in html
    assert "all red" in html
    assert re.search(r'class="score"[^>]*>.*?100 %</span>', html)
    assert '<span class="tile-reason">looks like it</span>' in html
    assert '<input id="id_q" type="search" name="q" value="something red"' in html
    assert "<title>“something red” – ContextVision</title>" in as_shown(html)


def test_pictures_do_not_move_what_is_around_them(
    client: Client, indexed: dict[str, Image]
) -> None:
    html = as_shown(get(client, q="red"))
    images = re.findall(r"<picture>.*?(<img [^>]+>)</picture>", html)
    assert len(images) == len(indexed)
    assert all('width="48"' in image and 'height="40"' in image for image in images)
    assert sum('loading="lazy"' in image for image in images) == len(indexed) - 6
    assert html.count('class="tile shape-24') == len(indexed)
    assert html.count('src="data:image/webp;base64,') == len(indexed)
    assert "style=" not in html


def test_a_browser_chooses_size_and_format(client: Client, indexed: dict[str, Image]) -> None:
    [image] = add_many(1, size=(1000, 500))
    tile = re.search(r"<picture>.*?</picture>", as_shown(get(client)))
    assert tile is not None
    page = image.get_absolute_url()
    for kind in ("avif", "webp"):
        sizes = f"{page}240.{kind} 240w, {page}480.{kind} 480w, {page}960.{kind} 960w"
        assert f'srcset="{sizes}, {page}1600.{kind} 1000w"' in tile[0]


def test_htmx_gets_the_results_alone(client: Client, indexed: dict[str, Image]) -> None:
    whole = client.get(HOME, {"q": "blue"})
    part = client.get(HOME, {"q": "blue"}, headers=HTMX)
    html = part.content.decode()
    assert tiles(html) == tiles(whole.content.decode())
    assert "<html" not in html
    assert "<title>“blue” – ContextVision</title>" in html
    assert 'hx-swap-oob="innerHTML:#announcement">Found pictures, 1 to 8.' in html
    assert "HX-Request" in part["Vary"]
    restored = client.get(
        HOME, {"q": "blue"}, headers={**HTMX, "HX-History-Restore-Request": "true"}
    )
    assert "<html" in restored.content.decode()


def test_a_picture_is_sent_by_a_form_that_needs_no_script(
    client: Client, indexed: dict[str, Image]
) -> None:
    form = re.search(r"<form id=\"search-form\".*?</form>", get(client), re.DOTALL)
    assert form is not None
    assert 'method="post" enctype="multipart/form-data"' in form[0]
    assert re.search(r'<input id="id_image" type="file" name="image"', form[0])
    careful = Client(enforce_csrf_checks=True)
    token = careful.get(HOME).cookies["csrftoken"].value
    data = {"image": uploaded("green", shade=9), "csrfmiddlewaretoken": token}
    response = careful.post(HOME, data)
    assert response.status_code == 302
    assert re.fullmatch(r"/\?like=example\.[\w-]{30}", response["Location"])
    html = get(careful, response["Location"])
    assert tiles(html)[0] == indexed["green"].pk
    assert "Similar pictures" in html
    assert "your picture" in html


def with_picture(client: Client, colour: str, **data: str) -> str:
    """Send an example picture and return the address of that search."""
    response = client.post(HOME, {"image": uploaded(colour), **data})
    assert response.status_code == 302, response.content
    return response["Location"]


def test_words_and_a_picture_with_weights(client: Client, indexed: dict[str, Image]) -> None:
    address = with_picture(client, "green", q="red")
    html = get(client, address)
    assert "“red” and a picture" in html
    assert 'value="red"' in html
    example = address.partition("like=")[2]
    for words, picture, first in (
        ("red^0.1", f"{example}^10", "green"),
        ("red^10", example, "red"),
    ):
        assert tiles(get(client, q=words, like=picture))[0] == indexed[first].pk
    # A share of the words, as addresses had before parts had weights
    assert tiles(get(client, q="red", like=example, weight="0"))[0] == indexed["green"].pk


def test_what_is_posted_is_sent_on_to_its_address(
    client: Client, indexed: dict[str, Image]
) -> None:
    data = {"q": " two  dogs^2.0", "tag": "", "without": ["snow^1", ""], "offset": "24"}
    response = client.post(HOME, data)
    assert response.status_code == 302
    assert response["Location"] == "/?q=two+dogs%5E2&without=snow"
    assert client.post(HOME, {})["Location"] == "/"
    assert client.get(HOME, {"by": "image", "q": "red"}).status_code == 200  # a former address


def test_an_example_picture_is_found_by_who_knows_its_address_and_by_nobody_else(
    client: Client, indexed: dict[str, Image]
) -> None:
    address = with_picture(client, "green")
    html = get(Client(), address)  # shared with somebody else
    assert tiles(html)[0] == indexed["green"].pk
    picture = re.search(r'<img src="(/examples/[^"]+)"', html)
    assert picture is not None
    response = Client().get(picture[1])
    assert response["Content-Type"] == "image/png"
    assert response["Cache-Control"].startswith("private")
    assert response.content.startswith(b"\x89PNG")
    key = address.partition("example.")[2]
    for wrong in (key[:-1] + ("a" if key[-1] != "a" else "b"), key[:8], "..", "x" * 30):
        assert client.get(HOME, {"like": f"example.{wrong}"}).status_code == 404
        assert client.get(f"/examples/{wrong}.png").status_code == 404


def test_an_example_picture_that_has_expired_is_told(
    client: Client, indexed: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = with_picture(client, "green", q="red")
    get(client, address)
    later = time.time() + 24 * 3600 + 1
    monkeypatch.setattr("gallery.examples.time.time", lambda: later)
    response = client.get(address)
    html = response.content.decode()
    assert response.status_code == 404
    assert "This example picture is no longer kept: choose it again" in html
    assert 'class="chip-remove" href="/?q=red"' in html
    assert 'value="red"' in html


def test_a_picture_that_is_refused_is_named_with_the_reason(
    client: Client, indexed: dict[str, Image]
) -> None:
    response = client.post(HOME, {"image": broken("half <b>.jpg"), "q": "red"})
    html = response.content.decode()
    assert response.status_code == 422
    assert "The picture was not accepted" in html
    assert "half &lt;b&gt;.jpg: the file is damaged or incomplete" in html
    assert 'value="red"' in html
    assert response["HX-Push-Url"] == "false"
    response = client.post(HOME, {"image": sent("notes.txt", b"no picture")})
    assert "notes.txt: this is not a picture" in response.content.decode()


def test_a_picture_that_weighs_too_much(
    client: Client, indexed: dict[str, Image], settings: LazySettings
) -> None:
    settings.CONTEXTVISION_QUERY_MAX_BYTES = 100
    response = client.post(HOME, {"image": uploaded("red")})
    assert response.status_code == 422
    assert "The picture is larger than" in response.content.decode()


def test_pages_of_results_join_without_gap_or_repetition(
    client: Client, indexed: dict[str, Image]
) -> None:
    everything = tiles(get(client, q="red"))
    first = get(client, q="red", limit=3)
    assert 'rel="prev"' not in first
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    address = following[1].replace("&amp;", "&")
    assert address == "/?q=red&limit=3&offset=3"
    second = get(client, address)
    assert tiles(first) + tiles(second) == everything[:6]
    assert 'Pictures 4 to <span id="last-shown">6</span>' in second
    assert re.search(r'rel="prev" href="/\?q=red&amp;limit=3"', second)
    last = get(client, q="red", limit=3, offset=6)
    assert tiles(last) == everything[6:]
    assert 'rel="next"' not in last


def test_more_pictures_are_put_behind_those_there_are(
    client: Client, indexed: dict[str, Image]
) -> None:
    everything = tiles(get(client, q="red"))
    headers = HTMX | {"HX-Target": "pictures"}
    more = client.get(f"{HOME}?q=red&limit=3&offset=3", headers=headers)
    html = more.content.decode()
    assert tiles(html) == everything[3:6]
    assert html.count('<li class="tile') == 3
    assert '<nav id="pager" class="pager" aria-label="More pictures" hx-swap-oob="true">' in html
    assert 'rel="next" href="/?q=red&amp;limit=3&amp;offset=6"' in html
    assert "<title>" not in html
    assert "Pictures 4 to 6 were added." in html
    counts = []
    for limit in (2, 8):
        with CaptureQueriesContext(connection) as queries:
            client.get(f"{HOME}?q=red&limit={limit}", headers=headers)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_results_of_a_picture_have_pages_too(client: Client, indexed: dict[str, Image]) -> None:
    for shade in range(1, 20):
        add_picture("red", shade=shade)
    index_everything()
    first = get(client, with_picture(client, "red"))
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    second = get(client, following[1].replace("&amp;", "&"))
    assert (len(tiles(first)), len(tiles(second))) == (24, 3)
    assert not set(tiles(first)) & set(tiles(second))


def test_filters_narrow_down_and_can_be_taken_away(
    client: Client, indexed: dict[str, Image]
) -> None:
    beach = Collection.objects.create(name="Beach & sea")
    Image.objects.filter(pk__in=[indexed["blue"].pk, indexed["cyan"].pk]).update(collection=beach)
    indexed["cyan"].tags.add(Tag.objects.create(name="calm"))
    html = get(client, q="red", collection="Beach & sea")
    assert set(tiles(html)) == {indexed["blue"].pk, indexed["cyan"].pk}
    assert "in Beach &amp; sea" in html
    assert re.search(r'class="chip-remove" href="/\?q=red"', html)
    assert tiles(get(client, q="red", tag="calm")) == [indexed["cyan"].pk]
    empty = get(client, q="red", tag="calm", split="train")
    assert "No pictures match what you narrowed down to" in empty
    assert "Take a filter away" in empty


def test_without_steers_away(client: Client, indexed: dict[str, Image]) -> None:
    html = get(client, q="red blue", without="blue")
    assert tiles(html)[0] == indexed["red"].pk
    assert "without “blue”" in html


def test_more_and_less_like_a_picture(client: Client, indexed: dict[str, Image]) -> None:
    red, orange = indexed["red"].pk, indexed["orange"].pk
    html = get(client, like=red)
    assert red not in tiles(html)
    assert tiles(html)[0] == orange
    less = re.search(rf'href="(/\?[^"]*unlike={orange}[^"]*)"', html)
    assert less is not None
    lessened = get(client, less[1].replace("&amp;", "&"))
    assert orange not in tiles(lessened)
    assert f'<img src="/images/{red}/thumbnail.webp"' in lessened
    assert f'<input type="hidden" name="like" value="{red}">' in lessened


def test_the_strip_of_similar_pictures(client: Client, indexed: dict[str, Image]) -> None:
    url = reverse("search:similar", args=[indexed["red"].pk])
    html = client.get(url, headers=HTMX).content.decode()
    assert tiles(html)[0] == indexed["orange"].pk
    assert "<html" not in html
    assert client.get(url)["Location"] == f"/?like={indexed['red'].pk}"


def test_the_strip_says_when_a_picture_has_no_vector_yet(
    client: Client, indexed: dict[str, Image]
) -> None:
    fresh = add_picture("red", shade=3)
    response = client.get(reverse("search:similar", args=[fresh.pk]), headers=HTMX)
    assert response.status_code == 404
    assert "has not been embedded yet" in response.content.decode()


@pytest.mark.parametrize("query", [{"q": "red"}, {"like": 1}, {}])
def test_hidden_pictures_are_in_nobody_elses_results(
    client: Client, indexed: dict[str, Image], member: User, query: dict[str, str | int]
) -> None:
    if "like" in query:
        query = {"like": indexed["orange"].pk}
    get(client, **query, filters=1)  # what is counted now is remembered for a while
    hidden = indexed["red"]
    hidden.visibility, hidden.owner = Visibility.PRIVATE, member
    hidden.collection = Collection.objects.create(name="Secret garden")
    hidden.save()
    hidden.tags.add(Tag.objects.create(name="secret tag"))
    query = {**query, "filters": 1}
    html = get(client, **query)
    assert hidden.pk not in tiles(html)
    assert "all red" not in html
    assert "Secret garden" not in html
    assert "secret tag" not in html
    assert client.get(HOME, {"like": hidden.pk}).status_code == 404
    strip = client.get(reverse("search:similar", args=[hidden.pk]), headers=HTMX)
    assert strip.status_code == 404
    client.force_login(member)
    html = get(client, **query)
    assert hidden.pk in tiles(html)
    assert "Secret garden" in html
    assert "Not public" in html


def test_the_first_page_invites(client: Client, indexed: dict[str, Image]) -> None:
    add_picture("red", shade=4, captions=("Two dogs run over a wide beach .",))
    html = get(client)
    assert tiles(html)[0] == Image.objects.latest("pk").pk
    assert 'href="/?q=Two%20dogs%20run%20over%20a%20wide%20beach">Two dogs' in html
    assert "Newest pictures" in html
    hero = re.search(r'<div\s+id="hero"[^>]*>', html)
    assert hero is not None
    assert "hidden" not in hero[0]


def test_the_first_page_shows_the_collections_one_may_see(
    client: Client, indexed: dict[str, Image], staff: User
) -> None:
    sea = Collection.objects.create(name="Sea & sky")
    vault = Collection.objects.create(name="Vault")
    Image.objects.filter(pk__in=[indexed["blue"].pk, indexed["cyan"].pk]).update(collection=sea)
    Image.objects.filter(pk=indexed["red"].pk).update(
        collection=vault, visibility=Visibility.PRIVATE
    )
    Image.objects.filter(pk=indexed["green"].pk).update(
        collection=sea, visibility=Visibility.PRIVATE
    )
    html = get(client)
    card = re.search(r'<a class="collection-card" href="(.*?)">(.*?)</a>', html, re.DOTALL)
    assert card is not None
    assert card[1] == "/?collection=Sea%20%26%20sky"
    assert "2 pictures" in card[2]
    cover = max(indexed["blue"].pk, indexed["cyan"].pk)
    assert f'src="/images/{cover}/480.webp"' in card[2]
    assert "Vault" not in html
    assert "collection-card" not in get(client, offset=3)
    client.force_login(staff)
    html = get(client)
    assert "3 pictures" in html
    assert "Vault" in html


def test_the_newest_pictures_have_pages_and_filters_too(
    client: Client, indexed: dict[str, Image]
) -> None:
    newest = sorted((image.pk for image in indexed.values()), reverse=True)
    assert tiles(get(client, limit=3, offset=3)) == newest[3:6]
    indexed["green"].tags.add(Tag.objects.create(name="calm"))
    html = get(client, tag="calm")
    assert tiles(html) == [indexed["green"].pk]
    assert "Try one of these" not in html


def test_the_demo_says_how_to_search_pictures_of_ones_own(
    client: Client, indexed: dict[str, Image], settings: LazySettings
) -> None:
    assert "make demo PHOTOS=" not in get(client)
    settings.CONTEXTVISION_DEMO = True
    html = get(client)
    assert "make demo PHOTOS=/path/to/folder" in html
    assert "Flickr8k" in html
    assert "make demo PHOTOS=" not in get(client, q="red")


def test_an_empty_site_says_what_to_do(client: Client, staff: User) -> None:
    html = get(client)
    assert "There are no pictures here yet" in html
    assert "import_images" not in html
    client.force_login(staff)
    html = get(client)
    assert "import_images" in html
    assert reverse("gallery:upload") in html


def test_without_an_index_the_search_is_an_error_and_the_page_is_not(
    client: Client, staff: User, picture: Image
) -> None:
    assert "The pictures are being prepared" in get(client)
    response = client.get(HOME, {"q": "red"})
    assert response.status_code == 503
    assert response["Retry-After"]
    html = response.content.decode()
    assert "There is no index yet" in html
    assert reverse("gallery:jobs") not in html
    client.force_login(staff)
    html = client.get(HOME, {"q": "red"}).content.decode()
    assert "Go to the jobs" in html


def test_a_busy_search_says_so(
    client: Client, indexed: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    get(client, q="red")
    with every_place_taken():
        response = client.get(HOME, {"q": "blue"}, headers=HTMX)
    assert response.status_code == 503
    assert response["Retry-After"]
    assert "The search is busy" in response.content.decode()
    get(client, q="red")


def test_a_model_that_is_still_loading_is_told_and_asked_for_again(
    client: Client, indexed: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.engine.LOADING_PATIENCE", 0.05)
    engine_holder.reset()
    with engine_holder._lock:  # as whoever loads it holds it
        response = client.get(HOME, {"q": "red"})
    assert response.status_code == 503
    assert response["Retry-After"]
    html = response.content.decode()
    assert "The model is still loading" in html
    assert 'hx-get="/?q=red" hx-trigger="load delay:3s"' in html
    assert '<a class="button" href="/?q=red">Try again</a>' in html
    assert 'value="red"' in html
    get(client, q="red")


def test_a_model_that_is_gone_is_told(
    client: Client, indexed: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(reference: str, **options: object) -> None:
        raise ModelUnavailableError("/models/colours: there is no such folder.")

    engine_holder.reset()
    mlcore.encoders.cache.forget_encoders()
    monkeypatch.setattr(mlcore.encoders.cache, "load_encoder", gone)
    response = client.get(HOME, {"q": "red"})
    assert response.status_code == 503
    assert "The model cannot be loaded" in response.content.decode()
    assert "no such folder" not in response.content.decode()


def test_the_reason_of_an_outage_is_for_staff(
    client: Client, staff: User, indexed: dict[str, Image], colours: ColourEncoder
) -> None:
    engine_holder.reset()
    IndexVersion.objects.get().model_version.__class__.objects.update(fingerprint="ab" * 32)
    response = client.get(HOME, {"q": "red"})
    assert response.status_code == 503
    assert "has changed since" not in response.content.decode()
    assert "The index and the model do not fit together" in response.content.decode()
    assert "The people who run this site" in response.content.decode()
    client.force_login(staff)
    html = client.get(HOME, {"q": "red"}).content.decode()
    assert "has changed since its vectors were made" in html
    assert reverse("gallery:versions") in html


@pytest.mark.parametrize(
    "params",
    [
        {"q": "x" * 301},
        {"like": "abc"},
        {"like": "99999999999999999999999999"},
        {"q": "red", "like": "99999999999999999999999999"},
        {"q": "red", "offset": "-1"},
        {"q": "red", "weight": "7"},
        {"q": "red", "split": "nonsense"},
        {"collection": "a\x00b"},
        {"without": "people"},
        {"unlike": "1"},
    ],
)
def test_what_cannot_be_searched_is_said_in_words(
    client: Client, indexed: dict[str, Image], params: dict[str, str]
) -> None:
    response = client.get(HOME, params)
    html = response.content.decode()
    assert response.status_code in {404, 422}, html[:2000]
    problem = re.search(r'<div id="problem".*?</div>\s*</div>', html, re.DOTALL)
    assert problem is not None
    assert len(re.sub(r"<[^>]+>", "", problem[0]).strip()) > 40
    assert "<!doctype html>" in html


def test_years_are_not_said_to_be_those_of_taking_where_that_is_not_known(
    client: Client, indexed: dict[str, Image]
) -> None:
    html = as_shown(get(client, filters=1))
    year = indexed["red"].created_at.year
    assert indexed["red"].taken_at is None
    heading = '<h3 id="facet-since">Taken, or added where that is not known</h3>'
    assert f"since={year}&amp;until={year}" in html[html.index(heading) :]


HEADLINE = re.compile(r"<h1[^>]*>(.*?)</h1>")


def test_every_page_has_one_headline(client: Client, indexed: dict[str, Image]) -> None:
    invitation = ["Find pictures by what they show"]
    for headers in ({}, HTMX):
        assert HEADLINE.findall(client.get(HOME, headers=headers).content.decode()) == invitation
        for address, title in (
            ("/?q=red", "“red”"),
            ("/?q=red&tag=nothing", "“red”"),
            ("/?limit=2&offset=2", "Newest pictures"),
        ):
            assert HEADLINE.findall(client.get(address, headers=headers).content.decode()) == [
                title
            ]
        refused = client.get(HOME, {"like": "999999"}, headers=headers)
        assert HEADLINE.findall(refused.content.decode()) == invitation
    more = client.get("/?q=red&offset=2", headers={**HTMX, "HX-Target": "pictures"})
    assert HEADLINE.findall(more.content.decode()) == []


def test_markup_in_a_query_is_text(client: Client, indexed: dict[str, Image]) -> None:
    html = get(client, q='<script>alert(1)</script>"')
    assert "<script>alert(1)" not in html
    assert "“&lt;script&gt;alert(1)&lt;/script&gt;&quot;”" in html


def test_a_long_text_is_searched_and_the_page_says_it_was_cut(
    client: Client, indexed: dict[str, Image]
) -> None:
    assert "its end was left out" in get(client, q="very " * 15 + "red")


def test_the_page_says_how_it_was_answered(client: Client, indexed: dict[str, Image]) -> None:
    html = get(client, q="red")
    version = IndexVersion.objects.get()
    assert f"<dd>{version.pk}</dd>" in html
    assert f"<dd>{version.model_version.name}</dd>" in html
    assert re.search(r"<dd>\d+ ms</dd>", html)
    assert "From 50 percent on it is a strong match." in html
    assert re.search(r"reach \d", html) is None  # which differs from model to model


def test_too_many_searches_are_told_when_to_come_back(
    client: Client, indexed: dict[str, Image], settings: LazySettings
) -> None:
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {
            "anonymous": "3/minute",
            "user": "3/minute",
            "login": "3/minute",
        },
    }
    assert [client.get(HOME, {"q": "red"}).status_code for _ in range(4)] == [200, 200, 200, 429]
    response = client.get(HOME, {"q": "red"}, headers=HTMX)
    assert 1 <= int(response["Retry-After"]) <= 60
    html = response.content.decode()
    assert f"Wait {response['Retry-After']} second" in html
    assert "<html" not in html


def test_queries_do_not_grow_with_the_results(
    client: Client,
    indexed: dict[str, Image],
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The live index; what is known of the words, who has them and which, twice; which pictures
    may be seen; the records of those on the page; their captions."""
    # Once in so many seconds one search looks for new pictures too; not in this test, however slow.
    monkeypatch.setattr("search.engine.TAIL_INTERVAL", 3600.0)
    get(client, q="red")
    for limit in (2, 24):
        with django_assert_num_queries(6):
            get(client, q="red", limit=limit)
        with django_assert_num_queries(6):
            client.get(HOME, {"q": "red", "limit": limit}, headers=HTMX)
    with django_assert_num_queries(6):
        get(client)
    paintings = Collection.objects.create(name="Paintings")
    Image.objects.filter(pk__in=[indexed["red"].pk, indexed["pink"].pk]).update(
        collection=paintings
    )
    for cache in caches.all():
        cache.clear()
    with django_assert_num_queries(7):  # the pictures that stand for the collections
        get(client)
    with django_assert_num_queries(6):  # how many each holds is remembered
        get(client)
    get(client, q="red", filters=1)
    with django_assert_num_queries(7):  # the filters spread out, counted before
        get(client, q="red", filters=1)


def test_the_query_picture_is_no_picture_of_the_gallery(
    client: Client, indexed: dict[str, Image]
) -> None:
    before = Image.objects.count()
    with_picture(client, "red")
    assert Image.objects.count() == before
