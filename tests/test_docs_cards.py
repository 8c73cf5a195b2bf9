"""The model cards show the figures of the sidecars they are about."""

from __future__ import annotations

import json
from types import ModuleType

import pytest

from docs_kit import DOCS, script

MODELS = DOCS.parent / "model" / "tiny"


@pytest.fixture(scope="module")
def update_cards() -> ModuleType:
    return script("update_cards")


def test_every_card_shows_the_figures_of_its_sidecar(update_cards: ModuleType) -> None:
    for card, text in update_cards.cards().items():
        assert card.read_text() == text, f"{card} is old: run python docs/update_cards.py"


def test_every_shipped_model_has_a_card() -> None:
    shipped = {entry["id"] for entry in json.loads((MODELS / "registry.json").read_text())["models"]}
    cards = {card.stem for card in (DOCS / "models").glob("*.md")}
    assert {model for model in shipped if "_ensemble_" not in model} == cards


def test_a_card_that_says_something_else_is_noticed(update_cards: ModuleType) -> None:
    card = DOCS / "models" / "fr_regressor_v2.md"
    sidecar = json.loads((MODELS / "fr_regressor_v2.json").read_text())
    sidecar["training"]["rows"] += 1
    assert update_cards.render(card.read_text(), sidecar) != card.read_text()
