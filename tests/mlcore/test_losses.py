import math

import pytest
import torch

from mlcore.training.losses import clip_contrastive_loss


def test_two_pairs_worked_by_hand() -> None:
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    texts = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    # Cosines at scale 2: [[2, 1.2], [0, 1.6]].
    over_texts = (math.log(1 + math.exp(1.2 - 2)) + math.log(1 + math.exp(0 - 1.6))) / 2
    over_images = (math.log(1 + math.exp(0 - 2)) + math.log(1 + math.exp(1.2 - 1.6))) / 2

    loss = clip_contrastive_loss(images, texts, 2.0)

    assert loss.item() == pytest.approx((over_texts + over_images) / 2, abs=1e-6)


def test_features_that_tell_nothing_apart_cost_the_logarithm_of_the_batch() -> None:
    same = torch.ones(8, 3)

    assert clip_contrastive_loss(same, same, 50.0).item() == pytest.approx(math.log(8), abs=1e-5)


def test_equals_the_loss_of_transformers() -> None:
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(3)
    model = CLIPModel(
        CLIPConfig(
            text_config={
                "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
                "num_attention_heads": 2, "vocab_size": 50, "eos_token_id": 49,
            },
            vision_config={
                "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
                "num_attention_heads": 2, "image_size": 16, "patch_size": 8,
            },
            projection_dim=8,
        )
    )  # fmt: skip
    model.train(False)
    ids = torch.randint(0, 48, (6, 7))
    ids[:, -1] = 49
    with torch.inference_mode():
        output = model(input_ids=ids, pixel_values=torch.randn(6, 3, 16, 16), return_loss=True)
        ours = clip_contrastive_loss(
            output.image_embeds * 3, output.text_embeds * 5, model.logit_scale.exp()
        )

    assert ours.item() == pytest.approx(output.loss.item(), abs=1e-5)


def test_the_scale_is_clipped_at_100_and_the_gradient_reaches_it_below() -> None:
    images, texts = torch.randn(4, 5), torch.randn(4, 5)
    above = clip_contrastive_loss(images, texts, 1000.0)

    assert torch.equal(above, clip_contrastive_loss(images, texts, 100.0))

    learned = torch.tensor(math.log(20.0), requires_grad=True)
    clip_contrastive_loss(images, texts, learned.exp()).backward()  # type: ignore[no-untyped-call]
    assert learned.grad is not None
    assert learned.grad.abs() > 0


def test_a_pair_that_shows_the_same_is_no_negative() -> None:
    torch.manual_seed(0)
    images, texts = torch.randn(3, 4), torch.randn(3, 4)
    same = torch.eye(3, dtype=torch.bool)
    same[0, 1] = same[1, 0] = True
    cosines = (
        torch.nn.functional.normalize(images, dim=1) @ torch.nn.functional.normalize(texts, dim=1).T
    )

    def cross_entropy(row: list[float], right: int) -> float:
        return math.log(sum(math.exp(value) for value in row)) - row[right]

    c = cosines.tolist()
    rows = [
        cross_entropy([c[0][0], c[0][2]], 0), cross_entropy([c[1][1], c[1][2]], 0),
        cross_entropy(c[2], 2),
    ]  # fmt: skip
    columns = [
        cross_entropy([c[0][0], c[2][0]], 0), cross_entropy([c[1][1], c[2][1]], 0),
        cross_entropy([c[0][2], c[1][2], c[2][2]], 2),
    ]  # fmt: skip

    loss = clip_contrastive_loss(images, texts, 1.0, same=same)

    assert loss.item() == pytest.approx((sum(rows) + sum(columns)) / 6, abs=1e-5)


@pytest.mark.parametrize(
    ("images", "texts"),
    [((2, 3), (3, 3)), ((2, 3), (2, 4)), ((0, 3), (0, 3)), ((3,), (3,))],
)
def test_inputs_that_are_no_pairs_are_refused(
    images: tuple[int, ...], texts: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"features must be|must not be empty"):
        clip_contrastive_loss(torch.ones(images), torch.ones(texts), 1.0)


def test_a_mask_of_another_size_is_refused() -> None:
    mask = torch.zeros(2, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match="2 by 2"):
        clip_contrastive_loss(torch.ones(2, 3), torch.ones(2, 3), 1.0, same=mask)


def test_wrong_texts_are_refused_by_pictures_and_ask_for_none() -> None:
    """Worked by hand: cosines at scale 2 are [[2, 1.2], [0, 1.6]] and [[0, 2], [2, 0]]."""
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    texts = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    wrong = torch.tensor([[0.0, 3.0], [5.0, 0.0]])
    left_out = torch.tensor([[False, True], [False, False]])

    def cross_entropy(row: list[float], right: float) -> float:
        return math.log(sum(math.exp(value) for value in row)) - right

    over_images = (cross_entropy([2, 0], 2) + cross_entropy([1.2, 1.6], 1.6)) / 2
    every = (cross_entropy([2, 1.2, 0, 2], 2) + cross_entropy([0, 1.6, 2, 0], 1.6)) / 2
    some = (cross_entropy([2, 1.2, 0], 2) + cross_entropy([0, 1.6, 2, 0], 1.6)) / 2

    loss = clip_contrastive_loss(images, texts, 2.0, wrong_features=wrong)
    masked = clip_contrastive_loss(images, texts, 2.0, wrong_features=wrong, not_wrong=left_out)

    assert loss.item() == pytest.approx((every + over_images) / 2, abs=1e-6)
    assert masked.item() == pytest.approx((some + over_images) / 2, abs=1e-6)
    with pytest.raises(ValueError, match=r"\(2, 2\), not \(2, 3\)"):
        clip_contrastive_loss(
            images, texts, 2.0, wrong_features=wrong, not_wrong=torch.zeros(2, 3).bool()
        )
