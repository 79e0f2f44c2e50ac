"""A model's answer, held to the facts: figures are replaced by the facts', sentences that say more
are left out, and where nothing of a field is left the rules' words stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from services.ai.domain.answers import MAX_ITEM, MAX_ITEMS, MAX_TEXT, Answer
from services.ai.domain.claims import Refused, faults, kept
from services.ai.domain.ledger import Ledger

VERSION: Final = "claims-1"
"""Changes when the same answer would be held to other rules: what was kept is asked for anew."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is left of an answer."""

    answer: Answer
    refused: tuple[Refused, ...]
    """Sentences that were left out, and wrong figures."""
    replaced: tuple[str, ...]
    """Fields of words of which nothing was left, so that the rules' stand there."""
    words: int
    """Fields of words that are the model's."""


def hold(answer: Answer, rules: Answer, ledger: Ledger) -> Held:
    """`rules` is what they say to the same question: the same fields, and true."""
    refused: list[Refused] = []
    replaced: list[str] = []
    words = 0
    said, true = answer.model_dump(), rules.model_dump()
    result: dict[str, dict[str, Any]] = {}
    for part, fields in true.items():
        result[part] = dict(fields)
        for name, fact in fields.items():
            value = said[part][name]
            if isinstance(fact, list):
                made: Any = _items(value, ledger, refused)
            elif name in _TEXTS:
                made, out = kept(value[: 4 * MAX_TEXT], ledger)
                made = _cut(made)
                refused += out
            else:
                # Not the model's to say.
                if value != fact:
                    refused.append(Refused.of(f"{name}: {value}", f"it is {fact}"))
                continue
            if made:
                result[part][name] = made
                words += 1
            elif fact:
                replaced.append(f"{part}.{name}")
    return Held(type(rules).model_validate(result), tuple(refused), tuple(replaced), words)


_TEXTS = frozenset({"summary", "characteristics"})


def _items(items: list[str], ledger: Ledger, refused: list[Refused]) -> list[str]:
    good: list[str] = []
    for item in items[: 4 * MAX_ITEMS]:
        text = " ".join(item.split())
        why = "it is too long" if len(text) > MAX_ITEM else next(faults(text, ledger), None)
        if why is not None:
            refused.append(Refused.of(text, why))
        elif text:
            good.append(text)
    return list(dict.fromkeys(good))[:MAX_ITEMS]


def _cut(text: str) -> str:
    """At the end of a sentence."""
    if len(text) <= MAX_TEXT:
        return text
    return text[: text.rfind(". ", 0, MAX_TEXT) + 1]
