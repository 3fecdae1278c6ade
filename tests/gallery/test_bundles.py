"""Bundles: out of one gallery, into the same one or another, whole or not at all."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings

import mlcore.encoders.cache
from gallery.models import (
    Caption,
    Image,
    ImageEmbedding,
    IndexVersion,
    Job,
    ModelVersion,
    SavedQuerySet,
    SentenceEmbedding,
    SentenceModel,
    SentenceReading,
)
from gallery.pipelines.bundles import CONTENTS, verify_bundle
from gallery.pipelines.exporting import export_bundle
from gallery.pipelines.sentences import read_sentences
from gallery.services import query_sets
from gallery.services.bundles import BundleError, import_bundle
from gallery.services.query_sets import DraftQuery
from mlcore.index import Hit
from tests.index_files import load_files
from tests.pictures_of_colours import add_picture, colour_jpeg, run

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

Contents = dict[str, bytes]


@pytest.fixture
def bundle(live: ModelVersion, tmp_path: Path) -> Path:
    red = [image.pk for image in Image.objects.filter(title__startswith="red")]
    query_sets.save(None, name="Reds", queries=[DraftQuery("red", red)], user=None)
    path = tmp_path / "colours.bundle"
    done = export_bundle(path)
    assert (done.model, done.pictures, done.newer, done.query_sets) == (live, 96, 0, 1)
    return path


def forget_all_but_pictures(settings: LazySettings) -> None:
    """As on another machine that holds the same pictures."""
    IndexVersion.objects.all().delete()
    ImageEmbedding.objects.all().delete()
    ModelVersion.objects.all().delete()
    SavedQuerySet.objects.all().delete()
    for folder in (settings.INDEX_DIR, settings.MODELS_DIR):
        shutil.rmtree(folder, ignore_errors=True)
    mlcore.encoders.cache.forget_encoders()


def hits(index: IndexVersion, text: str = "red") -> list[Hit]:
    query = index.model_version.load_encoder().encode_texts([text])
    [found] = load_files(index).search(query, 20)
    return found


@pytest.mark.also_on_postgres
def test_the_same_pictures_give_the_same_ids_and_scores(
    bundle: Path, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = hits(IndexVersion.objects.get())
    vectors = dict(ImageEmbedding.objects.values_list("image_id", "vector"))
    forget_all_but_pictures(settings)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = import_bundle(bundle)
    assert (done.known, done.missing, done.as_it_was, done.activated) == (96, 0, True, False)
    assert IndexVersion.objects.active() is None
    assert done.index is not None
    assert hits(done.index) == before
    assert dict(ImageEmbedding.objects.values_list("image_id", "vector")) == vectors
    assert done.model.origin == "imported"
    assert done.model.state == "candidate"
    assert Path(done.model.reference).parent == Path(settings.MODELS_DIR)
    assert done.query_sets == ("Reds",)
    again = import_bundle(bundle, activate=True)
    assert again.model == done.model
    assert again.activated
    assert IndexVersion.objects.active() == again.index
    assert not [path for path in Path(settings.MODELS_DIR).iterdir() if ".tmp" in path.name]
    assert not [path for path in Path(settings.INDEX_DIR).iterdir() if ".tmp" in path.name]


def test_a_bundle_tells_how_pictures_were_looked_at(
    live: ModelVersion, tmp_path: Path, settings: LazySettings
) -> None:
    settings.CONTEXTVISION_VIEWS = ("centre", "mirror")
    run(Job.Kind.EMBED, model=live.reference)
    run(Job.Kind.INDEX, model=live.reference)
    done = export_bundle(tmp_path / "mirrored.bundle")
    assert done.model.views == "centre,mirror"
    before = hits(IndexVersion.objects.get(is_active=True))
    settings.CONTEXTVISION_VIEWS = ("centre",)
    forget_all_but_pictures(settings)
    there = import_bundle(done.path)
    assert (there.model.fingerprint, there.as_it_was) == (done.model.fingerprint, True)
    assert there.model.views == "centre,mirror"
    assert there.index is not None
    assert hits(there.index) == before


def test_other_ids_and_missing_pictures_are_told_and_indexed_here(
    bundle: Path, settings: LazySettings
) -> None:
    before = {Image.objects.get(pk=hit.image_id).sha256: hit.score
              for hit in hits(IndexVersion.objects.get())}  # fmt: skip
    forget_all_but_pictures(settings)
    gone = Image.objects.get(title="blue-8")
    gone.delete()
    # The same bytes come in once more and get another id; another picture is only here.
    moved = Image.objects.get(title="red-8")
    moved.delete()
    moved = add_picture("red", shade=8)
    add_picture("red", shade=3)
    done = import_bundle(bundle)
    assert (done.known, done.missing, done.as_it_was) == (95, 1, False)
    assert done.index is not None
    assert done.index.count == 95
    after = {Image.objects.get(pk=hit.image_id).sha256: hit.score for hit in hits(done.index)}
    assert moved.sha256 in after
    assert after == pytest.approx(before, abs=1e-6)
    assert [image.title for image in Image.objects.missing_embeddings(done.model)] == ["red-3"]


def test_what_was_made_of_captions_travels_where_they_are_the_same(
    live: ModelVersion, tmp_path: Path, settings: LazySettings
) -> None:
    reds = list(Image.objects.filter(title__startswith="red").order_by("pk"))
    for image in reds:
        Caption.objects.create(image=image, order=5, text=f"a red thing called {image.pk}")
    run(Job.Kind.INDEX)
    reading = SentenceReading.objects.current()
    vectors = {
        (image_id, key): bytes(vector)
        for image_id, key, vector in SentenceEmbedding.objects.values_list(
            "image_id", "key", "vector"
        )
    }
    assert vectors
    path = tmp_path / "told.bundle"
    export_bundle(path)
    forget_all_but_pictures(settings)
    SentenceReading.objects.all().delete()
    SentenceModel.objects.all().delete()
    Caption.objects.filter(image=reds[0]).update(text="other words here")
    done = import_bundle(path)
    assert done.as_it_was
    model = SentenceModel.objects.get()
    assert reading is not None
    assert (model.fingerprint, model.dim) == (reading.fingerprint, reading.dim)
    kept = {
        (image_id, key): bytes(vector)
        for image_id, key, vector in SentenceEmbedding.objects.values_list(
            "image_id", "key", "vector"
        )
    }
    others = {place: vector for place, vector in vectors.items() if place[0] != reds[0].pk}
    assert {place: vector for place, vector in kept.items() if place[0] != reds[0].pk} == others
    # The one that reads here takes them over, and reads what is said otherwise.
    assert read_sentences() == Caption.objects.filter(image=reds[0]).count()
    assert import_bundle(path).as_it_was


def test_without_any_of_its_pictures_there_is_a_model_and_no_index(
    bundle: Path, settings: LazySettings
) -> None:
    forget_all_but_pictures(settings)
    Image.objects.all().delete()
    done = import_bundle(bundle, activate=True)
    assert (done.known, done.missing, done.index, done.activated) == (0, 96, None, False)
    assert (done.query_sets, done.left_out_queries) == ((), 1)


def test_the_starter_travels(live: ModelVersion, tmp_path: Path, settings: LazySettings) -> None:
    Image.objects.exclude(title__startswith="red").delete()
    run(Job.Kind.EMBED, model="starter")
    run(Job.Kind.INDEX, model="starter")
    path = tmp_path / "starter.bundle"
    export_bundle(path)
    before = hits(IndexVersion.objects.get(is_active=True))
    forget_all_but_pictures(settings)
    done = import_bundle(path)
    assert done.index is not None
    assert done.model.reference != "starter"
    assert hits(done.index) == before


def rewritten(bundle: Path, change: Callable[[Contents], None], **options: int) -> Path:
    """Write the bundle anew with other contents, which its list of members does not know of."""
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    path = bundle.with_name("changed.bundle")
    with zipfile.ZipFile(path, "w", options.get("compression", zipfile.ZIP_STORED)) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def flip(name: str) -> Callable[[Contents], None]:
    def change(members: Contents) -> None:
        data = bytearray(members[name])
        data[len(data) // 2] ^= 1
        members[name] = bytes(data)

    return change


def told(**changes: object) -> Callable[[Contents], None]:
    def change(members: Contents) -> None:
        members[CONTENTS] = json.dumps(json.loads(members[CONTENTS]) | changes).encode()

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (flip("model/model.safetensors"), "model/model.safetensors .* damaged"),
        (flip("index/index.faiss"), "index/index.faiss .* damaged"),
        (flip("pictures.jsonl"), "pictures.jsonl .* damaged"),
        (flip("query_sets.json"), "query_sets.json .* damaged"),
        (lambda members: members.pop("index/ids.npy"), "does not hold the members"),
        (lambda members: members.update({"model/more.json": b"{}"}), "does not hold the members"),
        (lambda members: members.update({"../evil.json": b"{}"}), "a name that is none"),
        (lambda members: members.update({"model/../../evil.json": b"{}"}), "a name that is none"),
        (lambda members: members.update({"/etc/evil.json": b"{}"}), "a name that is none"),
        (lambda members: members.update({"model\\evil.json": b"{}"}), "a name that is none"),
        (lambda members: members.update({"model/weights.bin": b"x"}), "cannot be part of a model"),
        (lambda members: members.pop(CONTENTS), "is not a bundle"),
        (told(format=2), "format 2, and this version reads 1"),
        (told(model={}), "does not say which model"),
        (told(model={"fingerprint": "00" * 32}), "not the one that was exported"),
    ],
)
def test_what_is_damaged_or_hostile_is_refused_and_nothing_is_written(
    bundle: Path,
    settings: LazySettings,
    tmp_path: Path,
    change: Callable[[Contents], None],
    words: str,
) -> None:
    changed = rewritten(bundle, change)
    forget_all_but_pictures(settings)
    with pytest.raises(BundleError, match=words):
        import_bundle(changed)
    assert not ModelVersion.objects.exists()
    assert not ImageEmbedding.objects.exists()
    for folder in (Path(settings.MODELS_DIR), Path(settings.INDEX_DIR)):
        assert not folder.exists() or list(folder.iterdir()) == []
    assert not (tmp_path / "evil.json").exists()


def test_a_file_that_is_cut_off_or_another_one_is_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="compressed or encrypted"):
        verify_bundle(rewritten(bundle, lambda _: None, compression=zipfile.ZIP_DEFLATED))
    cut = tmp_path / "cut.bundle"
    cut.write_bytes(bundle.read_bytes()[:-100])
    picture = tmp_path / "picture.bundle"
    picture.write_bytes(colour_jpeg("red"))
    for path in (cut, picture):
        with pytest.raises(BundleError, match="not a bundle, or is damaged"):
            verify_bundle(path)
    with pytest.raises(BundleError, match="cannot be read"):
        verify_bundle(tmp_path / "nothing.bundle")
    with pytest.raises(BundleError, match="exists already"):
        export_bundle(bundle)
