"""Whoever trains proposes a model; whoever may promote sees that and decides."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from gallery.models import AuditEvent, Image, Job, ModelVersion, Proposal
from gallery.services import versions
from gallery.services.accounts import give_roles
from tests.learning import candidate
from tests.pictures_of_colours import run

pytestmark = pytest.mark.django_db


@pytest.fixture
def tuned(indexed: dict[str, Image]) -> ModelVersion:
    return candidate(ModelVersion.objects.get())


def somebody(role: str) -> User:
    user = User.objects.create_user(role)
    give_roles(user, [role])
    return user


def codes() -> list[str]:
    about = AuditEvent.objects.filter(object_kind="model").order_by("pk")
    return list(about.values_list("code", flat=True))


def test_a_model_is_proposed_once_until_that_is_withdrawn(tuned: ModelVersion) -> None:
    trainer = somebody("trainer")
    first = versions.propose(tuned, user=trainer)
    assert versions.propose(tuned, user=somebody("administrator")) == first
    assert (first.model_version, first.created_by) == (tuned, trainer)
    versions.withdraw_proposal(tuned, user=trainer)
    versions.withdraw_proposal(tuned, user=trainer)
    assert not Proposal.objects.exists()
    assert codes() == ["model_proposed", "proposal_withdrawn"]


def test_what_is_live_cannot_be_proposed(tuned: ModelVersion) -> None:
    assert tuned.parent is not None
    with pytest.raises(versions.PromotionRefusedError, match="live"):
        versions.propose(tuned.parent, user=somebody("trainer"))
    assert not Proposal.objects.exists()
    assert codes() == []


def test_a_proposal_goes_when_its_model_goes_live(tuned: ModelVersion) -> None:
    assert tuned.parent is not None
    Proposal.objects.create(model_version=tuned.parent)
    kept = Proposal.objects.create(model_version=tuned)
    run(Job.Kind.INDEX)
    assert list(Proposal.objects.all()) == [kept]


def test_a_trainer_proposes_and_an_operator_sees_it(tuned: ModelVersion) -> None:
    trainer, operator = Client(), Client()
    trainer.force_login(somebody("trainer"))
    operator.force_login(somebody("operator"))
    page = reverse("gallery:model", args=[tuned.pk])
    propose, promote = (
        reverse(f"gallery:model-{what}", args=[tuned.pk]) for what in ("propose", "promote")
    )

    html = trainer.get(page).content.decode()
    assert propose in html
    assert promote not in html
    html = trainer.post(propose, follow=True).content.decode()
    assert "Withdraw the proposal" in html

    html = operator.get(page).content.decode()
    assert "Proposed for promotion by trainer" in html
    assert promote in html
    assert propose not in html
    assert "proposed" in operator.get(reverse("gallery:versions")).content.decode()

    trainer.post(propose, {"withdraw": "yes"})
    assert not Proposal.objects.exists()


def test_programs_propose_as_well(tuned: ModelVersion, client: Client) -> None:
    from knox.models import AuthToken

    _, token = AuthToken.objects.create(somebody("trainer"))
    headers = {"Authorization": f"Token {token}"}
    address = reverse("api:model-propose", args=[tuned.pk])
    answer = client.post(address, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["proposed_at"] is not None
    assert client.delete(address, headers=headers).status_code == 204
    assert (
        client.get(reverse("api:model-detail", args=[tuned.pk]), headers=headers).json()[
            "proposed_at"
        ]
        is None
    )
    live = reverse("api:model-propose", args=[tuned.parent_id])
    assert client.post(live, headers=headers).status_code == 409
