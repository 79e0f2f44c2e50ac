"""A reference set that reviewers can read: what the teacher says of real takes, beside what is
known of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from libs.common.teaching import EnhancementType
from services.ai.domain.answers import FullAnalysis
from services.ai.domain.claims import faults, sentences
from services.ai.domain.study import Study, study
from services.ai.domain.variations import CannotVary, Variation, VariationRequest, propose
from training.style.parts import Written

HEAD = """\
# What the teacher says: a reference set

Made by `python -m benchmarks.teaching DATA --answers docs/teaching-answers.md`: takes of Groove
MIDI's test split (CC BY 4.0), written down from exact hits and the click's beats, and explained by
the rules. Read it like a drummer: is each sentence true, is it worth saying, would you practise
that? Every figure comes from the take; what the take is known to be stands in its heading.
"""


def reference_set(takes: Sequence[Written]) -> str:
    """Markdown."""
    return "\n".join(
        [HEAD, *(line for index, take in enumerate(takes) for line in _take(take, index))]
    )


def _take(take: Written, seed: int) -> Iterable[str]:
    found = study(take.part)
    said = found.answer(EnhancementType.FULL_ANALYSIS)
    assert isinstance(said, FullAnalysis)
    patterns, style, practice = (
        said.pattern_analysis,
        said.style_classification,
        said.practice_instructions,
    )
    yield f"## {take.name}: {take.style}, {take.bpm:g} bpm, {take.meter}, {take.kind}\n"
    yield f"*{patterns.complexity}, density {patterns.rhythmic_density}, {_facts(found)}*\n"
    yield f"{patterns.summary}\n"
    yield f"- patterns: {'; '.join(patterns.key_patterns) or '–'}"
    yield f"- style: {style.primary_genre} ({style.confidence:.2f}). {style.characteristics}"
    yield f"- focus: {'; '.join(practice.focus_areas)}"
    yield from (f"- practise: {exercise}" for exercise in practice.exercises)
    for one in _variations(take, seed):
        yield f"- {one.kind.value} ({one.before:.1f} → {one.after:.1f}): {one.change} {one.why}"
    texts = [*sentences(patterns.summary), *sentences(style.characteristics),
             *patterns.key_patterns, *practice.focus_areas, *practice.exercises]  # fmt: skip
    untrue = [text for text in texts if any(faults(text, found.ledger))]
    yield f"- claims that the facts do not bear: {len(untrue)} of {len(texts)}\n"


def _facts(found: Study) -> str:
    facts = found.facts
    told = [f"difficulty {facts.difficulty.value:.1f}"] if facts.difficulty else []
    if facts.tempo:
        told.append(f"tempo consistency {facts.tempo.consistency:.2f}")
    if facts.syncopation:
        told.append(f"syncopation {facts.syncopation.per_bar:g} a bar")
    if facts.swing:
        told.append(f"swing {facts.swing.ratio:g}")
    return ", ".join(told)


def _variations(take: Written, seed: int) -> list[Variation]:
    try:
        return propose(take.part, VariationRequest(count=2, seed=seed))
    except CannotVary:
        return []
