"""From what the frames gave and what was heard to what was seen: views, sync, hands, places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from libs.common.drums import FEET, Hand, Hit
from libs.common.options import VisionOptions
from libs.common.performance import Performance
from libs.common.sight import Region, Shot, Side, Sight, Stroke, Sync
from services.vision.domain import sticking, sync, views
from services.vision.domain.layout import layout_of, left_leads
from services.vision.domain.opinions import second_opinions
from services.vision.domain.pose import JOINTS
from services.vision.domain.sticking import Hands, Sticking
from services.vision.domain.watched import Watched

VERSION: Final = "hands-1"
PLAIN: Final = 1.0
"""How clearly wrists must strike at the hits (sticking.Sticking.separation)."""
_BODY: Final = [JOINTS.index(name) for name in JOINTS if not name.endswith(("wrist", "index"))]
_BODY_WIDE: Final = 0.35
"""Shoulder widths around the body's joints in which an ellipse is the body's own."""
_PLAINEST: Final = 0.9
_LEAST_TOLD: Final = 0.25
_AGREE_S: Final = 0.03
_WRISTS_SHARE: Final = 0.4
"""How much the wrists' offset counts beside the whole picture's: least error on rendered films."""
_FAINT_FLOW: Final = 4.0
_FAINT_WRISTS: Final = 2.5
_FAINT_RIVAL: Final = 0.8
_FAINT_PLAIN: Final = 1.6
_LENT_S: Final = 8.0
"""A longer shot that does not find the offset itself has something against it."""


@dataclass
class _Judged:
    """A shot on its way."""

    index: int
    first: int
    last: int
    start_s: float
    end_s: float
    view: views.View
    reasons: list[str]
    sync: Sync | None = None
    hands: Hands | None = None
    hits: list[Hit] | None = None
    told: Sticking | None = None


def judge(
    watched: Watched, heard: Performance | None, wishes: VisionOptions, *, weights: bool
) -> Sight:
    """What was seen. Hits whose shot is not usable have strokes without hands."""
    hits = sorted(heard.hits, key=lambda hit: hit.onset_s) if heard else []
    shots = [
        _begun(watched, index, first, last, weights=weights)
        for index, (first, last) in enumerate(watched.shots())
    ]
    for shot in shots:
        _link(watched, shot, hits, wishes)
    _lend(shots, hits)
    for shot in shots:
        _tell(watched, shot, hits)
    layout = layout_of([(s.told, s.hands) for s in shots if s.told and s.hands and not s.reasons])
    mirrored, handed = _sides(layout, wishes)
    told = [shot.told for shot in shots if shot.told and not shot.reasons]
    other_way = layout == "left" or (layout == "right" and handed == "left")
    other_way = other_way or (layout is None and handed != "left" and left_leads(told))
    if mirrored is None and other_way:
        for shot in shots:
            if not shot.reasons:
                shot.reasons.append("mirror-or-left-handed")
    strokes = _strokes(watched, shots, hits, swap=bool(mirrored))
    usable = any(not shot.reasons for shot in shots)
    reasons = _of_all(shots, hits)
    main = max(shots, key=lambda s: (s.sync is not None, s.end_s - s.start_s), default=None)
    return Sight(
        usable=usable,
        reason=None if usable else reasons[0],
        words=_words(shots, strokes, reasons, usable=usable, known=mirrored is not None),
        width=watched.width,
        height=watched.height,
        fps=watched.fps,
        duration_s=watched.duration_s,
        frames=watched.frames,
        model_version=f"{watched.model_version}+{VERSION}",
        sync=main.sync if main else None,
        mirrored=mirrored,
        handed=handed,
        layout=layout,
        shots=tuple(_shot(shot) for shot in shots),
        strokes=strokes,
        regions=tuple(region for shot in shots for region in _regions(watched, shot)),
        opinions=tuple(
            opinion
            for shot in shots
            if shot.told and not shot.reasons
            for opinion in second_opinions(shot.told)
        ),
        missing=() if weights else ("pose-weights",),
        decode_errors=watched.decode_errors,
    )


def _begun(watched: Watched, index: int, first: int, last: int, *, weights: bool) -> _Judged:
    view = views.view_of(watched, first, last)
    start_s = float(watched.times_s[first])
    end_s = (
        float(watched.times_s[last]) if last < len(watched) else max(watched.duration_s, start_s)
    )
    return _Judged(
        index, first, last, start_s, end_s, view, views.doubts(view, watched, weights=weights)
    )


def _link(watched: Watched, shot: _Judged, hits: Sequence[Hit], wishes: VisionOptions) -> None:
    """The shot's own offset: by what turns back in the picture, and by the wrists."""
    shot.hands = _hands(watched, shot)
    if not hits:
        return
    near = [h for h in hits if shot.start_s - 0.5 < h.onset_s < shot.end_s + 0.5]
    from_s = _busiest_s(near, shot.start_s)
    first, last = np.searchsorted(watched.times_s, [from_s, from_s + sync.LONGEST_S])
    part = slice(max(int(first), shot.first), min(int(last), shot.last))
    turned = np.asarray(watched.turned[part], np.float64)
    flow = sync.link(watched.times_s[part], turned.reshape(len(turned), -1), near)
    wrists: sync.Link | None = None
    if shot.hands is not None and len(shot.hands.times_s):
        times_s = shot.hands.times_s
        part = slice(*(int(i) for i in np.searchsorted(times_s, [from_s, from_s + sync.LONGEST_S])))
        wrists = sync.link(times_s[part], sticking.strike_signals(shot.hands)[part], near)
    if wrists is not None:
        # The strokes' template allows for the wrists' lead, and needs no correction.
        wrists = replace(wrists, offset_s=wrists.offset_s - sync.LATE_S)
    if wishes.offset_s is not None:
        known = [found.significance for found in (flow, wrists) if found is not None]
        shot.sync = Sync(wishes.offset_s, max(known, default=0.0), "given")
    else:
        shot.sync = _both(flow, wrists, shot, near)


def _busiest_s(hits: Sequence[Hit], start_s: float) -> float:
    """Where in a long shot the two minutes with the most strokes begin: people talk first."""
    onsets = np.array([hit.onset_s for hit in hits if hit.piece not in FEET])
    if not onsets.size or onsets[-1] < start_s + sync.LONGEST_S:
        return start_s
    counts = np.searchsorted(onsets, onsets + sync.LONGEST_S) - np.arange(len(onsets))
    return max(start_s, float(onsets[int(np.argmax(counts))]) - 0.5)


def _both(
    flow: sync.Link | None, wrists: sync.Link | None, shot: _Judged, hits: Sequence[Hit]
) -> Sync | None:
    """What two witnesses say together; None when neither is believed."""
    agree = (
        flow is not None and wrists is not None and abs(flow.offset_s - wrists.offset_s) <= _AGREE_S
    )
    if agree:
        assert flow is not None
        assert wrists is not None
        together = flow.offset_s + _WRISTS_SHARE * (wrists.offset_s - flow.offset_s)
        if flow.believed or wrists.believed or _faint(flow, wrists, shot, hits):
            return Sync(together, max(flow.significance, wrists.significance), "flow")
    if flow is None:
        believed = wrists is not None and wrists.believed
        return Sync(wrists.offset_s, wrists.significance, "wrists") if wrists and believed else None
    # Wrists alone follow any sound of the same tempo; and who contradicts is a witness, too.
    if not flow.believed or (wrists is not None and wrists.believed):
        return None
    return Sync(flow.offset_s, flow.significance, "flow")


def _faint(flow: sync.Link, wrists: sync.Link, shot: _Judged, hits: Sequence[Hit]) -> bool:
    """Two faint witnesses who say the same are believed, if the wrists plainly strike there."""
    if (
        flow.significance < _FAINT_FLOW
        or wrists.significance < _FAINT_WRISTS
        or flow.rival > _FAINT_RIVAL
        or shot.hands is None
    ):
        return False
    return sticking.tell_hands(shot.hands, hits, wrists.offset_s).separation >= _FAINT_PLAIN


def _lend(shots: Sequence[_Judged], hits: Sequence[Hit]) -> None:
    """Shots of one film share its offset: one that is too short to find it borrows it."""
    sure = [shot for shot in shots if shot.sync is not None]
    if not sure:
        return
    best = max(sure, key=lambda shot: shot.sync.significance if shot.sync else 0.0)
    assert best.sync is not None
    for shot in shots:
        if shot.sync is None and shot.end_s - shot.start_s < _LENT_S:
            shot.sync = Sync(best.sync.offset_s, 0.0, "another-shot")


def _tell(watched: Watched, shot: _Judged, hits: Sequence[Hit]) -> None:
    """The shot's hands, when they can be told, and else why not."""
    offset_s = shot.sync.offset_s if shot.sync else 0.0
    shot.hits = [h for h in hits if shot.start_s <= h.onset_s - offset_s < shot.end_s]
    if not hits:
        shot.reasons.append("nothing-heard")
        return
    by_hand = [hit for hit in shot.hits if hit.piece not in FEET]
    if shot.sync is None:
        short = shot.end_s - shot.start_s < sync.SHORTEST_S
        few = len(by_hand) < sync.FEWEST
        if not shot.reasons or shot.reasons == ["weights-missing"]:
            if views.moves(shot.view) and not short:
                shot.reasons.append("camera-moves")
            shot.reasons.append(
                "too-short" if short else "too-few-strokes" if few else "sound-not-linked"
            )
        return
    if shot.reasons:
        return
    if len(by_hand) < sticking.FEWEST:
        shot.reasons.append("too-few-strokes")
        return
    if shot.hands is None:
        shot.reasons.append("nobody-seen")
        return
    exact_s, plainest = sticking.refined(shot.hands, shot.hits, offset_s)
    shot.told = sticking.tell_hands(shot.hands, shot.hits, exact_s)
    sure = [max(t.right, t.left, t.both) >= sticking.SURE for t in shot.told.told]
    # Where few hands can be told, those few are no better founded than the rest.
    if shot.told.separation < PLAIN or float(np.mean(sure)) < _LEAST_TOLD or plainest < _PLAINEST:
        lent = shot.sync.source == "another-shot"
        shot.reasons.append("sound-not-linked" if lent else "hands-unclear")
        shot.told = None


def _hands(watched: Watched, shot: _Judged) -> Hands | None:
    """Both wrists in shoulder widths, or None where the shoulders were not seen."""
    if shot.view.shoulders_px is None:
        return None
    part = slice(shot.first, shot.last)
    looked = watched.looked[part]
    scale = np.array([watched.width, watched.height]) / shot.view.shoulders_px
    places = np.full((int(looked.sum()), 2, 2), np.nan)
    for hand, side in enumerate(("right", "left")):
        wrist = watched.joint(f"{side}-wrist")[part][looked]
        seen = wrist[:, 2] >= views.SEEN
        places[seen, hand] = wrist[seen, :2] * scale
    across = (watched.joint("right-shoulder") - watched.joint("left-shoulder"))[part][looked][:, :2]
    rightward = np.nanmedian(across * scale, axis=0)
    return Hands(watched.times_s[part][looked], places, rightward)


def _sides(layout: Side | None, wishes: VisionOptions) -> tuple[bool | None, Side | None]:
    """Whether the picture is mirrored, and which hand leads, as far as that is known."""
    mirrored, handed = wishes.mirrored, wishes.handed
    if layout is None:
        return mirrored, handed
    if mirrored is None and handed is not None and layout == "left":
        mirrored = handed == "right"
    elif mirrored is None and handed == "left":
        # A mirror, or a left-handed player at another's kit: that is asked.
        return None, handed
    elif mirrored is None and layout == "right":
        # A mirrored left-handed player would look so, too; there are few of them.
        mirrored = False
    if handed is None and mirrored is not None:
        handed = layout if not mirrored else ("left" if layout == "right" else "right")
    return mirrored, handed


def _strokes(
    watched: Watched, shots: Sequence[_Judged], hits: Sequence[Hit], *, swap: bool
) -> tuple[Stroke, ...]:
    """One for each hit that hands play."""
    out: dict[str, Stroke] = {}
    for shot in shots:
        for hit in shot.hits or []:
            # At a cut, a shot whose offset is not known claims what is another's.
            if hit.piece not in FEET and (shot.sync is not None or hit.id not in out):
                out[hit.id] = Stroke(hit.id, hit.onset_s, hit.piece, None, 0.0, shot.index)
        if shot.told is None or shot.reasons:
            continue
        size = np.array([watched.width, watched.height]) / (shot.view.shoulders_px or 1.0)
        for told in shot.told.told:
            hand, sure = _marked(told, swap=swap)
            where = told.where / size if told.where is not None else None
            out[told.hit.id] = replace(
                out[told.hit.id],
                hand=hand,
                confidence=sure,
                x=float(where[0]) if where is not None else None,
                y=float(where[1]) if where is not None else None,
            )
    for hit in hits:
        if hit.piece not in FEET and hit.id not in out:
            out[hit.id] = Stroke(hit.id, hit.onset_s, hit.piece, None, 0.0)
    return tuple(sorted(out.values(), key=lambda stroke: (stroke.onset_s, stroke.hit)))


def _marked(told: sticking.Told, *, swap: bool) -> tuple[Hand | None, float]:
    choices = [(told.right, Hand.RIGHT), (told.left, Hand.LEFT), (told.both, Hand.BOTH)]
    sure, hand = max(choices, key=lambda choice: choice[0])
    if sure <= 0:
        return None, 0.0
    if swap:
        hand = {Hand.RIGHT: Hand.LEFT, Hand.LEFT: Hand.RIGHT}.get(hand, hand)
    return (hand if sure >= sticking.SURE else None), min(sure, 0.9999)


def _regions(watched: Watched, shot: _Judged) -> list[Region]:
    out: list[Region] = []
    if shot.told is not None and not shot.reasons and shot.view.shoulders_px:
        size = np.array([watched.width, watched.height]) / shot.view.shoulders_px
        for place in shot.told.places:
            (x, y), (rx, ry) = place.mean / size, np.maximum(place.spread / size, 0.004)
            out.append(
                Region(
                    kind="struck",
                    shot=shot.index,
                    piece=place.piece,
                    x=float(x),
                    y=float(y),
                    rx=float(rx),
                    ry=float(ry),
                    strokes=place.strokes,
                    confidence=place.strokes / (place.strokes + 5),
                )
            )
    for _, x, y, rx, ry, angle in watched.heads[watched.heads[:, 0] == shot.index].tolist():
        if not _of_the_body(watched, shot, x, y):
            out.append(Region("head", shot.index, None, x, y, rx, ry, angle))
    return out


def _of_the_body(watched: Watched, shot: _Judged, x: float, y: float) -> bool:
    """Faces and elbows are round, too, and stay where they are."""
    if shot.view.shoulders_px is None:
        return False
    size = np.array([watched.width, watched.height])
    joints = watched.poses[shot.first : shot.last, _BODY, :2]
    middles = np.nanmedian(joints, axis=0)
    away = np.linalg.norm((middles - [x, y]) * size, axis=1) / shot.view.shoulders_px
    return bool(np.nanmin(away) < _BODY_WIDE)


def _shot(shot: _Judged) -> Shot:
    view = shot.view
    return Shot(
        index=shot.index,
        start_s=shot.start_s,
        end_s=shot.end_s,
        usable=not shot.reasons,
        reasons=tuple(shot.reasons),
        words=views.words_of(shot.reasons),
        sync=shot.sync,
        bodies=view.bodies,
        body_share=view.body_share,
        wrists_share=view.wrists_share,
        shoulders_px=view.shoulders_px,
        stillness=view.stillness,
    )


def _of_all(shots: Sequence[_Judged], hits: Sequence[Hit]) -> list[str]:
    """The reasons of the shots that take most time, the first of each."""
    spans: dict[str, float] = {}
    for shot in shots:
        if shot.reasons:
            spans[shot.reasons[0]] = spans.get(shot.reasons[0], 0.0) + shot.end_s - shot.start_s
    if not spans:
        return [] if shots and hits else ["nothing-heard"]
    return sorted(spans, key=lambda reason: -spans[reason])


def _words(
    shots: Sequence[_Judged],
    strokes: Sequence[Stroke],
    reasons: Sequence[str],
    *,
    usable: bool,
    known: bool,
) -> str:
    if not usable:
        return views.words_of(reasons[:1])
    marked = sum(stroke.hand is not None for stroke in strokes)
    good = sum(not shot.reasons for shot in shots)
    where = "" if good == len(shots) else f" {good} of {len(shots)} shots show the hands."
    taken = "" if known else " The picture is taken for no mirror's: say so if it is one."
    return f"Hands are told for {marked} of {len(strokes)} strokes.{where}{taken}"
