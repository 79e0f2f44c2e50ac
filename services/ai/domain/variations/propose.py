"""Making variations and holding each to what is promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from libs.common.part import Part
from services.ai.domain.difficulty import difficulty
from services.ai.domain.variations import reduce, rework, shift, touch
from services.ai.domain.variations.checks import (
    direction_of,
    is_same,
    tempos_of,
    unplayable,
    unsound,
)
from services.ai.domain.variations.excerpt import Excerpt, content_of, excerpt_of, titled
from services.ai.domain.variations.kinds import (
    NATURAL,
    CannotVary,
    Direction,
    Draft,
    LeftOut,
    Variation,
    VariationKind,
    VariationRequest,
)

_Maker = Callable[[Excerpt, Random], Iterator[Draft]]
_MAKERS: Final[dict[VariationKind, _Maker]] = {
    VariationKind.SIMPLIFY: reduce.simplify,
    VariationKind.THIN_HATS: reduce.thin_hats,
    VariationKind.ADD_GHOSTS: touch.add_ghosts,
    VariationKind.DISPLACE: shift.displace,
    VariationKind.ORCHESTRATE: touch.orchestrate,
    VariationKind.LINEAR: rework.linear,
    VariationKind.OPEN_HANDED: touch.open_handed,
    VariationKind.PARADIDDLE: rework.paradiddle,
    VariationKind.FILL: rework.fill,
    VariationKind.METRIC_MODULATION: shift.metric_modulation,
    VariationKind.TEMPO_LADDER: shift.tempo_ladder,
}
_SEEDS_TRIED: Final = 16
"""For one that is not there yet."""
MAX_COUNT: Final = 50


def propose(part: Part, request: VariationRequest) -> list[Variation]:
    """At most `request.count` variations, no two alike; with no kind named, as many kinds as
    there are. CannotVary where not one can be made."""
    made, left_out = propose_all(part, request)
    if not made:
        only = left_out[0]
        if len(left_out) == 1:
            raise CannotVary(only.code, only.sentence)
        raise CannotVary("nothing-fits", f"No kind of variation fits. {only.sentence}")
    return made


def propose_all(part: Part, request: VariationRequest) -> tuple[list[Variation], list[LeftOut]]:
    """The same, with the kinds that could not be made and why; both empty never."""
    if not 1 <= request.count <= MAX_COUNT:
        raise CannotVary("count", f"One to {MAX_COUNT} variations can be asked for.")
    excerpt = excerpt_of(part, request.bars, request.fill_beats)
    base = excerpt.part()
    before = difficulty(base).value
    kinds = [request.kind] if request.kind else _kinds(request)
    made: list[Variation] = []
    seen: set[object] = set()
    left_out: list[LeftOut] = []
    seeds = dict.fromkeys(kinds, request.seed)
    # Kind after kind and round again, as long as one has something new.
    while seeds and len(made) < request.count:
        for kind in list(seeds):
            if len(made) == request.count:
                break
            for seed in range(seeds[kind], seeds[kind] + _SEEDS_TRIED):
                try:
                    one = _one(excerpt, base, before, kind, request, seed)
                except CannotVary as reason:
                    # Of what came before there is no lack; another seed may just lack a way.
                    if not any(other.kind is kind for other in made):
                        left_out.append(LeftOut(kind, reason.code, reason.sentence))
                    del seeds[kind]
                    break
                if (key := _key(one.part)) not in seen:
                    seen.add(key)
                    made.append(one)
                    seeds[kind] = seed + 1
                    break
            else:
                del seeds[kind]
    return made, left_out


def _kinds(request: VariationRequest) -> list[VariationKind]:
    """In an order by chance; those that go where it is asked by their nature come first."""
    kinds = list(VariationKind)
    Random(f"{request.seed}:kinds").shuffle(kinds)
    if request.difficulty:
        kinds.sort(key=lambda kind: request.difficulty not in NATURAL[kind])
    return kinds


def _one(
    excerpt: Excerpt,
    base: Part,
    before: float,
    kind: VariationKind,
    request: VariationRequest,
    seed: int,
) -> Variation:
    """The first of this seed's drafts that keeps all promises."""
    allowed = {request.difficulty} if request.difficulty else NATURAL[kind]
    drafts = 0
    wrong_way = 0
    for draft in _MAKERS[kind](excerpt, Random(f"{seed}:{kind.value}")):
        drafts += 1
        title = titled(excerpt.title, draft.label)
        part = excerpt.part(
            draft.bars, title=title, tempos=draft.tempos, remark=f"{draft.change} {draft.why}"
        )
        if unsound(part) or is_same(base, part):
            continue
        after = difficulty(part).value
        direction = direction_of(before, after)
        if direction not in allowed:
            wrong_way += 1
            continue
        if unplayable(part):
            continue
        return Variation(
            part, kind, draft.label, draft.change, draft.why, draft.steps, excerpt.source,
            before, after, direction, seed,
        )  # fmt: skip
    called = kind.value.replace("-", " ")
    if not drafts:
        raise CannotVary("nothing-to-do", f"These bars give “{called}” nothing to work on.")
    if wrong_way:
        asked = " or ".join(one.value for one in Direction if one in allowed)
        raise CannotVary("no-such-difficulty", f"No way of “{called}” makes this {asked}.")
    raise CannotVary("unplayable", f"Every way of “{called}” changes nothing or is too fast.")


def _key(part: Part) -> object:
    return tuple(content_of(bar) for bar in part.bars), tuple(tempos_of(part))
