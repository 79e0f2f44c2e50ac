"""The teacher's own words: what the facts say, in sentences, without a model.

Every sentence holds to the ledger as a model's must (`claims`), and says nothing where a figure is
missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from libs.common.teaching import EnhancementType
from services.ai.domain.answers import (
    ANSWERS,
    UNKNOWN_GENRE,
    Answer,
    FullAnalysis,
    PatternAnalysis,
    PracticeInstructions,
    StyleClassification,
)
from services.ai.domain.facts import Facts
from services.ai.domain.facts.timing import LIMB_OF
from services.ai.domain.plan import Plan, called, reason
from services.ai.domain.styles import Evidence, StyleMatch, is_unsure

_MANY: Final = 6
TOO_FEW: Final = 12
"""Strokes, to name a style by."""
LEAST: Final = 0.15
"""A style less likely than this is not even called the nearest."""


def answer(facts: Facts, plan: Plan | None, kind: EnhancementType) -> Answer:
    """What the rules say. Without a plan (nothing to practise) no exercises."""
    full = FullAnalysis(
        pattern_analysis=PatternAnalysis(
            complexity=facts.difficulty.level.value if facts.difficulty else None,
            key_patterns=list(_patterns(facts)),
            tempo_consistency=facts.tempo.consistency if facts.tempo else None,
            rhythmic_density=_density(facts),
            summary=" ".join(_summary(facts)),
        ),
        style_classification=style_of(facts),
        practice_instructions=PracticeInstructions(
            difficulty=facts.difficulty.level.value if facts.difficulty else None,
            focus_areas=list(plan.focus) if plan else [],
            exercises=list(_exercises(facts, plan)) if plan else [],
        ),
    )
    return ANSWERS[kind].model_validate(narrowed(full.model_dump(), kind))


def narrowed(full: dict[str, Any], kind: EnhancementType) -> dict[str, Any]:
    """Of a full analysis, what this kind asks for."""
    return {name: full[name] for name in ANSWERS[kind].model_fields}


def _density(facts: Facts) -> Any:
    return facts.density.level if facts.density else None


# Patterns


def _patterns(facts: Facts) -> Iterable[str]:
    names = [named.name for named in facts.groove_names]
    # One name that says it all leaves out what it is made of.
    for name in names:
        if not (name in _PARTS and any(other in _WHOLES for other in names)):
            yield name
    if facts.form.fills:
        yield "fill variations" if len(facts.form.fills) > 1 else "a fill"
    if any(groove.varied_bars for groove in facts.form.grooves):
        yield "groove variations"
    yield from list(dict.fromkeys(run.name for run in facts.rudiments))[:3]


_PARTS: Final = frozenset({"backbeat on 2 and 4", "kick on 1 and 3"})
_WHOLES: Final = frozenset({"shuffle", "train beat", "bossa nova with cross-stick"})


def _summary(facts: Facts) -> Iterable[str]:
    if not facts.strokes:
        yield "Nothing is struck in this score."
        return
    yield from _about_grooves(facts)
    yield from _about_fills(facts)
    yield from _about_rhythm(facts)
    yield from _about_playing(facts)
    if facts.hardest and facts.bars > 1:
        hard = facts.hardest[0]
        why = reason(hard)
        yield f"The hardest bar is {_bar(hard.number)}{f': {why}' if why else ''}."


def _about_grooves(facts: Facts) -> Iterable[str]:
    """The two that fill most bars."""
    if facts.bars <= 1:
        return
    grooves = [groove for groove in facts.form.grooves if len(groove.bars) > 1][:2]
    for index, groove in enumerate(grooves):
        varied = len(groove.varied_bars)
        count = _bars(len(groove.bars))
        takes = "takes up" if index == 0 else "has"
        if not varied:
            yield f"Groove {groove.name} {takes} {count}, all written alike."
        elif groove.exact == 1:
            yield f"Groove {groove.name} {takes} {count}, each a little different."
        else:
            yield (
                f"Groove {groove.name} {takes} {count}; {_bar(groove.typical_bar)} shows it best, "
                f"and {_bars(varied)} {'vary' if varied > 1 else 'varies'} it."
            )


def _about_fills(facts: Facts) -> Iterable[str]:
    fills = facts.form.fills
    if len(fills) == 1:
        yield f"There is 1 fill, in {_bar(fills[0].bar)} from beat {fills[0].from_beat}."
    elif fills:
        told = [str(fill.bar) for fill in fills[:_MANY]]
        row = f"{', '.join(told[:-1])} and {told[-1]}"
        first = "the first " if len(fills) > _MANY else ""
        yield f"There are {len(fills)} fills, {first}in bars {row}."


def _about_rhythm(facts: Facts) -> Iterable[str]:
    if facts.density and facts.strokes > _FEW_STROKES:
        yield f"{_DENSITY[facts.density.level]}: {_strokes(facts.density.per_second)} a second."
    if facts.syncopation and facts.strokes > _FEW_STROKES:
        pieces = {LIMB_OF[piece] for piece, _ in facts.pieces} & {"kick", "snare"}
        if len(pieces) == 2:
            yield f"Kick and snare {_SYNCOPATION[facts.syncopation.level]}."
        else:
            how = _SYNCOPATION[facts.syncopation.level].replace(" ", "s ", 1)
            yield f"The {min(pieces)} {how}."
    if facts.dynamics and facts.dynamics.ghosts:
        ghosts = facts.dynamics.ghosts
        yield (
            f"{ghosts} ghost notes on the snare fill in between the loud strokes."
            if ghosts > 1
            else "There is 1 ghost note on the snare."
        )


_FEW_STROKES: Final = 8
_DENSITY: Final = {
    "low": "It leaves much room",
    "medium": "It is neither sparse nor dense",
    "high": "It is dense",
}


_SYNCOPATION: Final = {
    "none": "keep to the strong places",
    "some": "play against the beat here and there",
    "strong": "pull hard against the beat",
}


def _strokes(count: float) -> str:
    return f"{count:g} stroke{'' if count == 1 else 's'}"


def _about_playing(facts: Facts) -> Iterable[str]:
    if facts.tempo:
        drift = facts.tempo.drift_percent
        way = "speeds up" if drift > 0 else "slows down"
        yield f"It was played at {facts.tempo.bpm:g} bpm" + (
            f", and it {way} by {abs(drift):g} % on the way." if abs(drift) >= 1 else "."
        )
    leaning = sorted(
        (one for one in facts.timing if one.who != "all" and one.leans),
        key=lambda one: -abs(one.mean_ms),
    )
    for index, one in enumerate(leaning[:2]):
        side = "behind" if one.mean_ms > 0 else "ahead of"
        verb = "sit" if one.who in _PLURALS else "sits"
        the, beat = ("The", "it") if index else ("On average the", "the beat")
        yield f"{the} {called(facts, one.who)} {verb} {abs(one.mean_ms):g} ms {side} {beat}."
    if (
        facts.swing
        and facts.swing.ratio >= 1.2
        and not any("shuffle" in named.name for named in facts.groove_names)
    ):
        how = "as it was played" if facts.swing.measured else "as it is written"
        yield f"Its swing is {facts.swing.ratio:g} to 1, {how}."


_PLURALS: Final = frozenset({"toms", "crashes"})


# Style


def sounds_like(facts: Facts) -> tuple[str, ...]:
    """Display names that may be told, the likeliest first; none where nothing stands out."""
    if not facts.styles or is_unsure(facts.styles):
        return ()
    return tuple(match.style.label for match in facts.styles[:3] if match.probability >= 0.1)


def style_of(facts: Facts) -> StyleClassification:
    """The likeliest, with how likely it is; where nothing stands out the words begin with that."""
    best = facts.styles[0] if facts.styles else None
    if best is None or facts.strokes < TOO_FEW or best.probability < LEAST:
        return StyleClassification(
            primary_genre=UNKNOWN_GENRE,
            confidence=round(best.probability, 2) if best else 0.0,
            characteristics="There is too little here to tell a style by."
            if facts.strokes < TOO_FEW
            else "No style stands out.",
        )
    unsure = "Not sure: no style stands out, and this is only the nearest."
    return StyleClassification(
        primary_genre=best.style.label,
        confidence=round(best.probability, 2),
        characteristics=characteristics(best) if sounds_like(facts) else unsure,
    )


def characteristics(match: StyleMatch) -> str:
    """What speaks for it, and what does not, as far as a drummer would say so."""
    told = [_sentence(one.sentence(match.style)) for one in _clearest(match.speaks_for)[:3]]
    if not told:
        told = ["No single figure speaks for it, but all together they are nearest."]
    told += [
        f"Against it: {one.sentence(match.style)}." for one in _clearest(match.speaks_against)[:1]
    ]
    return " ".join(told)


def _clearest(found: Sequence[Evidence]) -> list[Evidence]:
    """Without what only a computer counts; what is usual from 0 on says less and comes later, and
    what is not there at all only where nothing else is left. Else the weightiest first."""
    clear = [one for one in found if not one.feature.startswith(_ABSTRACT) and one.low >= 0]
    heard = sorted((one for one in clear if one.value > 0), key=lambda one: one.low == 0)
    return heard or clear or [one for one in found if one.value > 0 and one.low >= 0]


_ABSTRACT: Final = ("loud.", "son clave", "bossa clave", "cascara", "samba by", "tresillo by",
                    "second line")  # fmt: skip


def _sentence(phrase: str) -> str:
    return f"{phrase[:1].upper()}{phrase[1:]}."


# Practice


def _exercises(facts: Facts, plan: Plan) -> Iterable[str]:
    rungs = ", ".join(str(bpm) for bpm in plan.loops[0].ladder_bpm)
    for index, loop in enumerate(plan.loops):
        bars = _span(loop.from_bar, loop.to_bar)
        if index:
            how = "the same way"
        elif len(plan.loops[0].ladder_bpm) == 1:
            how = f"at {rungs} bpm, {loop.repeats} times without a fault"
        else:
            how = (
                f"at {rungs} bpm, and take the next tempo after {loop.repeats} times without a "
                "fault"
            )
        yield f"Loop {bars} {how}. {loop.why}".strip()
    if plan.start_bpm == plan.target_bpm:
        yield f"Metronome practice: play all of it at {plan.target_bpm} bpm."
    else:
        yield (
            f"Metronome practice: play all of it at {plan.start_bpm} bpm, and day by day move up "
            f"to {plan.target_bpm} bpm."
        )
    if facts.form.fills:
        fill = facts.form.fills[0]
        last = fill.bar >= facts.bars
        land = "stop on time" if last else "land on beat 1 of the next bar"
        where = f"{_bar(fill.bar)} from beat {fill.from_beat}"
        yield f"Isolated fill practice: play {where} and {land}."
    yield from _by_focus(facts, plan.focus)


def _by_focus(facts: Facts, focus: Sequence[str]) -> Iterable[str]:
    if "ghost notes softer than the backbeat" in focus:
        yield "Play the groove with the ghost notes so soft that only you hear them."
    if "feet independent of the hands" in focus:
        yield "Count aloud and play the feet alone, then add one hand at a time."
    if "counting through the syncopation" in focus:
        yield "Count the beats aloud while you play against them."
    if "steady tempo" in focus or any("towards the end" in one for one in focus):
        yield "Let the click sound on beat 1 only, and meet it there."
    if "even swing" in focus:
        yield "Sing the swing out loud before the hand plays it."
    off = sorted(
        (one for one in facts.timing if f"{called(facts, one.who)} in time" in focus and one.leans),
        key=lambda one: -abs(one.mean_ms),
    )
    if off:
        way = "late" if off[0].mean_ms > 0 else "early"
        come = "they come" if off[0].who in _PLURALS else "it comes"
        who = called(facts, off[0].who)
        yield f"Record yourself and listen to the {who} against the click: {come} {way}."


def _bars(count: int) -> str:
    return f"{count} bars" if count != 1 else "1 bar"


def _bar(number: int) -> str:
    return f"bar {number}" if number > 0 else "the pickup"


def _span(first: int, last: int) -> str:
    if first == last:
        return _bar(first)
    if first <= 0:
        return f"the pickup and bar {last}"
    return f"bars {first} and {last}" if last == first + 1 else f"bars {first} to {last}"


def spoken(facts: Facts) -> tuple[str, ...]:
    """Phrases with figures of their own, that stand for a style or against it."""
    return tuple(
        evidence.sentence(match.style)
        for match in facts.styles[:3]
        for evidence in (*match.speaks_for, *match.speaks_against)
    )
