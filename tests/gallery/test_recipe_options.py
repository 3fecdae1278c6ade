"""A training option is declared once, and every place where it can be chosen has it."""

import argparse
from dataclasses import fields
from pathlib import Path

import pytest
from django.core.management import load_command_class

from gallery.api.learning_serializers import TrainingRequestSerializer
from gallery.forms import FineTuneForm
from gallery.services.training import RECIPE_FIELDS
from mlcore.commands import recipe
from mlcore.commands.recipe import add_options, given_options
from mlcore.encoders import FAMILIES
from mlcore.errors import TrainingError
from mlcore.training import TrainConfig
from mlcore.training.config import OPTIONS
from mlcore.training.options import Option

FLAGS = {name: option.flag or f"--{name.replace('_', '-')}" for name, option in OPTIONS.items()}


def flags_of(parser: argparse.ArgumentParser) -> dict[str, str]:
    return {action.dest: action.option_strings[0] for action in parser._actions}


def test_every_field_of_the_recipe_is_an_option() -> None:
    apart = {"tune", "limits"}  # the first has options of its own, the second is of the settings
    assert {each.name for each in fields(TrainConfig)} - apart == set(OPTIONS)
    for name, option in OPTIONS.items():
        option.check(name, getattr(TrainConfig(), name))  # its default is one that it accepts
        assert set(option.families) <= set(FAMILIES)


def test_the_command_line_has_every_option() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, "recipe", "memory", "machine")
    assert flags_of(parser).items() >= FLAGS.items()
    assert "--tune lora" in parser.format_help()
    given = parser.parse_args(["--mix", "0.5", "0.7", "--epochs", "3", "--gradient-checkpointing"])
    assert given_options(given) == {
        "robust_mixes": [0.5, 0.7], "epochs": 3, "gradient_checkpointing": True,
    }  # fmt: skip


def test_the_site_has_those_that_it_may_set() -> None:
    command = load_command_class("gallery", "finetune").create_parser("manage.py", "finetune")
    flags = flags_of(command)
    assert {name for name in OPTIONS if name in flags} == set(RECIPE_FIELDS)
    told = str(TrainingRequestSerializer().fields["recipe"].help_text)
    assert all(name in told for name in RECIPE_FIELDS)
    assert "device" not in told


@pytest.mark.django_db
def test_the_page_has_those_that_are_for_it() -> None:
    form = FineTuneForm()
    shown = [field.name for field in [*form.advanced(), *form.ticks()]]
    assert set(shown) == {name for name, option in OPTIONS.items() if option.on_page}
    assert form.fields["epochs"].max_value == OPTIONS["epochs"].most  # type: ignore[attr-defined]
    assert form["epochs"].help_text == OPTIONS["epochs"].help


def test_the_docs_name_every_option() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    assert [flag for flag in FLAGS.values() if f"`{flag}" not in docs] == []


def test_a_new_option_needs_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Option("Wings", "How many.", int, least=2, most=6, families=("starter",), on_page=True)
    monkeypatch.setitem(OPTIONS, "wings", toy)
    parser = argparse.ArgumentParser()
    recipe.add_options(parser, "recipe", site=True)
    assert parser.parse_args(["--wings", "3"]).wings == 3
    assert "How many. For Starter alone." in " ".join(parser.format_help().split())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("epochs", 0, "epochs must be at least 1"),
        ("epochs", 1.5, "epochs must be a whole number"),
        ("epochs", True, "epochs must be a whole number"),
        ("epochs", 10_001, "epochs must be at most 10000"),
        ("learning_rate", 0, "learning_rate must be above 0"),
        ("learning_rate", "fast", "learning_rate must be a number"),
        ("learning_rate", float("nan"), "learning_rate must be a number"),
        ("warm_up", 1, "warm_up must be below 1"),
        ("augment", "blur", "augment must be one of these: none, mirror, crop"),
        ("robust_mixes", 0.5, "robust_mixes must be a list"),
        ("robust_mixes", [0.5, 2], "robust_mixes must be at most 1"),
        ("gradient_checkpointing", "yes", "gradient_checkpointing must be true or false"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(name: str, value: object, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        OPTIONS[name].check(name, value)
