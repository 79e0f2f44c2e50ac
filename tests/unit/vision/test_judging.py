"""Hands, views and doubts, with the joints of rendered players put in place of a network's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from libs.common.drums import FEET, DrumPiece, Hand, Hit
from libs.common.options import VisionOptions
from libs.common.sight import Sight
from services.vision.domain.judging import judge
from services.vision.domain.pose import JOINTS
from services.vision.domain.views import WORDS
from services.vision.domain.watched import Watched
from tests.unit.vision.seeing import Film, filmed, hits_of, performance, right_of, watched_of

GIVEN = VisionOptions(offset_s=0.08)


def seen(
    film: Film,
    options: VisionOptions = GIVEN,
    hits: Sequence[Hit] | None = None,
    watched: Watched | None = None,
) -> Sight:
    heard = performance(hits_of(film.strokes) if hits is None else hits)
    return judge(watched or watched_of(film), heard, options, weights=True)


@pytest.mark.parametrize("view", ["front", "front-high", "side-right", "side-left"])
@pytest.mark.parametrize("groove", ["rock", "sixteenths", "ride", "jazz"])
def test_hands_are_told_and_are_right(view: str, groove: str) -> None:
    film = filmed(view, groove=groove, duration_s=10, seed=3)
    sight = seen(film)
    marked, right = right_of(film, sight)
    assert sight.usable
    assert marked >= 0.6
    assert right >= 0.95


@pytest.mark.parametrize("groove", ["paradiddle", "singles", "open-hand"])
def test_stickings_that_are_not_the_usual_ones(groove: str) -> None:
    film = filmed("front-high", groove=groove, duration_s=12, seed=4, tempo_bpm=95)
    sight = seen(film, VisionOptions(offset_s=0.08, mirrored=False))
    marked, right = right_of(film, sight)
    assert marked >= 0.5
    assert right >= 0.95


def test_feet_have_no_hands() -> None:
    sight = seen(filmed(groove="jazz"))
    assert {stroke.piece for stroke in sight.strokes} & FEET == set()


def test_each_hit_of_the_hands_has_one_stroke_in_time_order() -> None:
    film = filmed()
    sight = seen(film)
    wanted = [h.id for h in sorted(hits_of(film.strokes), key=lambda h: (h.onset_s, h.id))]
    assert [s.hit for s in sight.strokes] == [
        name for name in wanted if name in {s.hit for s in sight.strokes}
    ]
    assert len({s.hit for s in sight.strokes}) == len(sight.strokes)
    assert len(sight.strokes) == sum(h.piece not in FEET for h in hits_of(film.strokes))


def test_hat_and_snare_at_once_take_a_hand_each() -> None:
    film = filmed(groove="rock", duration_s=12, seed=8)
    sight = seen(film)
    by_time: dict[float, list[Hand | None]] = {}
    for stroke in sight.strokes:
        key = next((t for t in by_time if abs(t - stroke.onset_s) < 0.035), stroke.onset_s)
        by_time.setdefault(key, []).append(stroke.hand)
    both = [hands for hands in by_time.values() if len(hands) == 2 and None not in hands]
    assert both
    assert all(set(hands) == {Hand.RIGHT, Hand.LEFT} for hands in both)


def test_the_wrists_alone_find_the_offset() -> None:
    film = filmed("side-right", groove="ride", duration_s=12, seed=6, offset_s=0.11)
    sight = seen(film, VisionOptions())
    assert sight.sync is not None
    assert sight.sync.source == "wrists"
    assert sight.sync.offset_s == pytest.approx(0.11, abs=0.025)


def test_a_sound_that_is_not_the_pictures_is_refused() -> None:
    film = filmed(groove="ride", duration_s=12, seed=6)
    others = [
        hits_of(filmed(groove=groove, duration_s=12, seed=20 + number).strokes)
        for number, groove in enumerate(("rock", "jazz", "toms", "sixteenths"))
    ]
    for hits in others:
        sight = seen(film, VisionOptions(), hits)
        assert not sight.usable
        assert sight.reason == "sound-not-linked"
        assert sight.marked == 0


def test_with_the_offset_far_off_nothing_is_guessed() -> None:
    film = filmed(groove="singles", duration_s=12, seed=6, tempo_bpm=110)
    wrong = VisionOptions(offset_s=0.08 + 60 / 110 / 8)
    sight = seen(film, wrong)
    marked, right = right_of(film, sight)
    assert marked < 0.3 or right > 0.9


def test_a_mirror_or_a_left_handed_player_is_asked_about() -> None:
    film = filmed(groove="ride", duration_s=14, seed=7, mirrored=True)
    asked = seen(film)
    assert asked.layout == "left"
    assert not asked.usable
    assert asked.reason == "mirror-or-left-handed"
    told = seen(film, VisionOptions(offset_s=0.08, mirrored=True))
    marked, right = right_of(film, told)
    assert told.handed == "right"
    assert marked >= 0.6
    assert right >= 0.95


def test_a_left_handed_player_keeps_the_hands() -> None:
    film = filmed(groove="ride", duration_s=14, seed=7, left_handed=True)
    told = seen(film, VisionOptions(offset_s=0.08, handed="left"))
    marked, right = right_of(film, told)
    assert told.mirrored is False
    assert marked >= 0.6
    assert right >= 0.95


def test_an_ordinary_kit_is_seen_as_one() -> None:
    sight = seen(filmed(groove="ride", duration_s=14, seed=7))
    assert (sight.layout, sight.mirrored, sight.handed) in (
        ("right", False, "right"),
        (None, None, None),
    )
    assert sight.usable


def test_where_pieces_are_struck() -> None:
    film = filmed("front-high", groove="ride", duration_s=14, seed=7)
    places = {r.piece: r for r in seen(film).regions if r.kind == "struck"}
    assert {DrumPiece.RIDE, DrumPiece.SNARE} <= set(places)
    # The ride stands on the player's right: left in the picture.
    assert places[DrumPiece.RIDE].x < places[DrumPiece.SNARE].x
    assert all(0 < r.x < 1 and 0 < r.y < 1 for r in places.values())


def without(watched: Watched, joint: str) -> Watched:
    poses = watched.poses.copy()
    poses[:, JOINTS.index(joint), 2] = 0.02
    return replace(watched, poses=poses)


def nobody(watched: Watched) -> Watched:
    return replace(watched, poses=np.full_like(watched.poses, np.nan))


def far_away(watched: Watched) -> Watched:
    poses = watched.poses.copy()
    poses[..., :2] = 0.5 + 0.05 * (poses[..., :2] - 0.5)
    return replace(watched, poses=poses)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (nobody, "nobody-seen"),
        (far_away, "too-far"),
        (lambda w: without(w, "left-wrist"), "wrists-hidden"),
        (lambda w: replace(w, times_s=w.times_s * 2.5), "frame-rate-low"),
    ],
)
def test_views_that_are_no_use_say_so(spoil: object, reason: str) -> None:
    film = filmed(duration_s=10)
    sight = seen(film, watched=spoil(watched_of(film)))  # type: ignore[operator]
    assert not sight.usable
    assert sight.reason == reason
    assert sight.words == WORDS[reason]
    assert sight.marked == 0
    assert all(stroke.confidence == 0 for stroke in sight.strokes)


def test_without_weights_the_views_and_the_sync_are_still_told() -> None:
    film = filmed(duration_s=10)
    heard = performance(hits_of(film.strokes))
    sight = judge(nobody(watched_of(film)), heard, GIVEN, weights=False)
    assert sight.reason == "weights-missing"
    assert sight.missing == ("pose-weights",)
    assert sight.sync is not None


def test_nothing_heard_is_said() -> None:
    film = filmed(duration_s=6)
    for heard in (None, performance([])):
        sight = judge(watched_of(film), heard, VisionOptions(), weights=True)
        assert sight.reason == "nothing-heard"
        assert sight.strokes == ()


def test_a_player_who_holds_still_has_no_hands_told() -> None:
    film = filmed(duration_s=10)
    watched = watched_of(film)
    still = np.repeat(watched.poses[:1], len(watched), axis=0)
    still[..., :2] += np.random.default_rng(0).normal(0, 0.001, still[..., :2].shape)
    sight = seen(film, watched=replace(watched, poses=still))
    assert sight.reason == "hands-unclear"
    assert sight.marked == 0


def test_it_is_the_same_each_time() -> None:
    film = filmed(duration_s=8)
    assert seen(film, VisionOptions()) == seen(film, VisionOptions())
    assert Sight.from_json(seen(film).to_json()).marked == seen(film).marked


def test_a_doubtful_tom_is_asked_about_where_it_was_struck() -> None:
    film = filmed("front-high", groove="toms", duration_s=16, seed=9, tempo_bpm=90)
    floor = [h for h in hits_of(film.strokes) if h.piece is DrumPiece.TOM_FLOOR]
    doubted = {h.id for h in floor[::6]}
    heard = [
        replace(h, piece=DrumPiece.TOM_HIGH, confidence=0.4)
        if h.id in doubted
        else replace(h, confidence=0.9)
        for h in hits_of(film.strokes)
    ]
    opinions = seen(film, hits=heard).opinions
    assert opinions
    assert all(o.hit in doubted for o in opinions)
    assert all(o.seen is DrumPiece.TOM_FLOOR for o in opinions)
    assert all(o.confidence >= 0.8 for o in opinions)


def test_what_the_ear_is_sure_of_is_left_alone() -> None:
    film = filmed("front-high", groove="toms", duration_s=16, seed=9, tempo_bpm=90)
    wrong = [
        replace(h, piece=DrumPiece.TOM_HIGH) if n % 7 == 0 and "tom" in h.piece else h
        for n, h in enumerate(hits_of(film.strokes))
    ]
    assert seen(film, hits=wrong).opinions == ()


def test_a_long_talk_before_the_drums_does_not_hide_the_link() -> None:
    film = filmed("side-right", groove="ride", duration_s=14, seed=10, offset_s=0.11)
    watched = watched_of(film)
    talk_s, talk = 400.0, 10_000
    still = np.repeat(watched.poses[:1], talk, axis=0)
    late = replace(
        watched,
        times_s=np.concatenate([np.arange(talk) * talk_s / talk, watched.times_s + talk_s]),
        turned=np.zeros((talk + len(watched), 1, 1), np.float16),
        camera=np.zeros(talk + len(watched), np.float32),
        poses=np.concatenate([still, watched.poses]),
        looked=np.concatenate([np.zeros(talk, bool), watched.looked]),
        bodies=np.concatenate([np.full(talk, np.nan, np.float32), watched.bodies]),
        duration_s=watched.duration_s + talk_s,
    )
    hits = [replace(h, onset_s=h.onset_s + talk_s) for h in hits_of(film.strokes)]
    sight = judge(late, performance(hits), VisionOptions(), weights=True)
    assert sight.sync is not None
    assert sight.sync.offset_s == pytest.approx(0.11, abs=0.025)


def test_a_left_hand_that_keeps_time_is_asked_about() -> None:
    film = filmed("front-high", groove="rock", duration_s=12, seed=4, mirrored=True)
    asked = seen(film)
    assert asked.reason == "mirror-or-left-handed"
    assert asked.marked == 0
    told = seen(film, VisionOptions(offset_s=0.08, mirrored=True))
    marked, right = right_of(film, told)
    assert marked >= 0.5
    assert right >= 0.95


def test_a_left_handed_player_at_anothers_kit_is_asked_about() -> None:
    film = filmed(groove="ride", duration_s=14, seed=7)
    sight = seen(film, VisionOptions(offset_s=0.08, handed="left"))
    assert sight.marked == 0
    assert sight.reason == "mirror-or-left-handed"


def test_a_stroke_of_both_hands_that_is_heard_as_one_has_no_hand() -> None:
    film = filmed("front-high", groove="rock", duration_s=14, seed=4)
    heard = hits_of(film.strokes)
    hats = [h for h in heard if "hat" in h.piece]
    snares = [h for h in heard if h.piece is DrumPiece.SNARE]
    under = {h.id for s in snares for h in hats if abs(h.onset_s - s.onset_s) < 0.035}
    assert under
    sight = seen(film, hits=[h for h in heard if h.id not in under])
    truth = {stroke.hit.id: stroke.hand for stroke in film.strokes}
    wrong = [s for s in sight.strokes if s.hand is not None and s.hand != truth[s.hit]]
    assert not wrong


def test_only_kicks_leave_nothing_to_be_told() -> None:
    film = filmed(duration_s=10)
    kicks = [h for h in hits_of(film.strokes) if h.piece is DrumPiece.KICK]
    sight = seen(film, hits=kicks)
    assert not sight.usable
    assert sight.reason == "too-few-strokes"


def test_a_half_of_one_frame_is_no_crash() -> None:
    film = filmed("side-right", groove="ride", duration_s=12, seed=6)
    watched = watched_of(film)
    late = replace(
        watched, times_s=np.concatenate([[0.0], watched.times_s[1:] + 30]), duration_s=43.0
    )
    hits = [replace(h, onset_s=h.onset_s + 30) for h in hits_of(film.strokes)]
    assert judge(late, performance(hits), VisionOptions(), weights=True).sync is None
