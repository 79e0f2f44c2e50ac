"""Everything that is known of a part, in one go: for a process beside the event loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from libs.common.part import Part
from libs.common.teaching import EnhancementType
from services.ai.domain import facts as measuring
from services.ai.domain.answers import Answer
from services.ai.domain.facts import Facts, facts_of
from services.ai.domain.ledger import Ledger
from services.ai.domain.plan import NothingToPractise, Plan, practice_plan
from services.ai.domain.words import answer, sounds_like, spoken

VERSION: Final = f"rules-1/{measuring.VERSION}"
"""Changes when the rules would say something else of the same part."""


@dataclass(frozen=True, slots=True)
class Study:
    """What was found, and what the rules say of it."""

    facts: Facts
    plan: Plan | None
    """None where there is nothing to practise."""
    ledger: Ledger

    def answer(self, kind: EnhancementType) -> Answer:
        """In the rules' words."""
        return answer(self.facts, self.plan, kind)


def study(part: Part) -> Study:
    """Measured, planned, and listed."""
    facts = facts_of(part)
    try:
        plan = practice_plan(part, facts)
    except NothingToPractise:
        plan = None
    ledger = Ledger.of(facts, plan, styles=sounds_like(facts), spoken=spoken(facts))
    return Study(facts, plan, ledger)
