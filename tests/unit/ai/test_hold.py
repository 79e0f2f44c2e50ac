"""A model's answer is cut down to what the facts bear, field by field."""

from __future__ import annotations

from typing import Any

from libs.common.teaching import EnhancementType
from services.ai.domain.answers import MAX_ITEM, MAX_ITEMS, MAX_TEXT, Answer, FullAnalysis
from services.ai.domain.hold import Held, hold
from services.ai.domain.study import study
from tests.unit.ai.made_parts import rock

STUDY = study(rock(8))
RULES = FullAnalysis.model_validate(STUDY.answer(EnhancementType.FULL_ANALYSIS).model_dump())
RULES.style_classification.characteristics = "No style stands out."


def held(part: str, **said: Any) -> Held:
    """The rules' answer, with these fields of one part as a model said them."""
    told = RULES.model_dump()
    told[part] |= said
    return hold(FullAnalysis.model_validate(told), RULES, STUDY.ledger)


def of(answer: Answer, part: str, name: str) -> Any:
    return answer.model_dump()[part][name]


def test_the_rules_own_words_stay_as_they_are():
    found = hold(RULES, RULES, STUDY.ledger)
    assert found.answer == RULES
    assert (found.refused, found.replaced) == ((), ())


def test_false_sentences_are_left_out_and_true_ones_stay():
    said = "What a groove. It has 17 fills. It stays at 90 bpm. Bar 12 is late."
    found = held("pattern_analysis", summary=said)
    assert of(found.answer, "pattern_analysis", "summary") == ("What a groove. It stays at 90 bpm.")
    assert [one.sentence for one in found.refused] == ["It has 17 fills.", "Bar 12 is late."]
    assert found.replaced == ()


def test_where_nothing_is_left_the_rules_words_stand():
    found = held("pattern_analysis", summary="It has 17 fills.", key_patterns=["17 fills"])
    assert of(found.answer, "pattern_analysis", "summary") == (
        of(RULES, "pattern_analysis", "summary")
    )
    assert of(found.answer, "pattern_analysis", "key_patterns") == (
        of(RULES, "pattern_analysis", "key_patterns")
    )
    assert found.replaced == ("pattern_analysis.key_patterns", "pattern_analysis.summary")


def test_what_is_measured_is_not_the_models_to_say():
    found = held("pattern_analysis", complexity="expert", tempo_consistency=0.5)
    assert found.answer == RULES
    assert {(one.sentence, one.why) for one in found.refused} == {
        ("complexity: expert", "it is beginner"),
        ("tempo_consistency: 0.5", "it is None"),
    }


def test_true_items_behind_false_ones_survive_and_no_more_than_there_is_room_for():
    lies = [f"{number} fills" for number in range(20, 20 + MAX_ITEMS)]
    found = held("practice_instructions", focus_areas=[*lies, "loose shoulders", "even hats"])
    assert of(found.answer, "practice_instructions", "focus_areas") == [
        "loose shoulders", "even hats",
    ]  # fmt: skip
    many = ["loose " + "very " * number + "hands" for number in range(2 * MAX_ITEMS)]
    found = held("practice_instructions", focus_areas=many)
    assert of(found.answer, "practice_instructions", "focus_areas") == many[:MAX_ITEMS]


def test_items_are_said_once_and_not_at_length():
    found = held("practice_instructions", exercises=["Breathe.", " Breathe. ", "so " * MAX_ITEM])
    assert of(found.answer, "practice_instructions", "exercises") == ["Breathe."]
    [refused] = found.refused
    assert refused.why == "it is too long"
    assert len(refused.sentence) <= MAX_ITEM


def test_a_long_text_ends_with_a_sentence():
    said = " ".join(["Keep the wrists loose and the shoulders low."] * 60)
    text = of(held("pattern_analysis", summary=said).answer, "pattern_analysis", "summary")
    assert 0.9 * MAX_TEXT < len(text) <= MAX_TEXT
    assert text.endswith("low.")


def test_what_no_database_takes_is_not_among_the_refused():
    found = held("style_classification", primary_genre="Ro\x00ck", characteristics="9\x00 fills")
    assert [one.sentence for one in found.refused] == ["primary_genre: Ro?ck", "9? fills"]
    assert all(one.why.isprintable() for one in found.refused)
