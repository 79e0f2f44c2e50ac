"""The source of the golden scores: each bar as drummers write a tab, a row for each thing struck.

A row is the beats of its bar, parted by spaces; a beat's characters share it evenly, so that
`x.x` is a triplet's first and last, `xx` two eighths and `x` one stroke on the beat. In 6/8 a beat
is a dotted quarter: `xxx` are its eighths. What is struck, by letter:

    x  a stroke        X  an accent       g  a ghost         s  softer, but no ghost
    o  an open hat     O  an accented one h  a half-open one b  the ride's bell
    f  a flam          d  a drag          z  a buzz roll     c  a cross-stick      r  a rimshot

`R L B` in the row "hand" are stickings of what the hands play there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Rows = Mapping[str, str]
Place = tuple[int, str]
"""Bar, and start from its bar line as a part of a whole note."""


@dataclass(frozen=True, slots=True)
class Groove:
    """One score's source."""

    title: str
    bpm: float
    meter: str
    bars: Sequence[Rows]
    swing: float = 1.0
    """How much longer the first of two eighths is."""
    sections: Mapping[int, str] = field(default_factory=dict)
    dynamics: Mapping[Place, str] = field(default_factory=dict)
    hairpins: Sequence[tuple[Place, Place, str]] = ()


# Rock: eighths on the hat, a crash into the second half, a fill with flams at the end.
_ROCK = {
    "hat": "xx xx xx xx",
    "snare": ".. x. .. x.",
    "kick": "x. .. xx ..",
}
_ROCK_OPEN = {
    "hat": "xx xx xx xo",
    "snare": ".. x. .. x.",
    "kick": "x. .x xx ..",
}
_ROCK_CRASH = {
    "crash": "x. .. .. ..",
    "hat": ".x xx xx xx",
    "snare": ".. x. .. x.",
    "kick": "x. .. xx ..",
}
_ROCK_FILL = {
    "hat": "xx xx .... ....",
    "snare": ".. x. xxxx ....",
    "high": ".. .. .... xx..",
    "floor": ".. .. .... ..xx",
    "kick": "x. .x x. x.",
    "hand": ".. .. RLRL RLRL",
}
_ROCK_END = {
    "crash": "x. .. .. ..",
    "hat": ".x x. .. ..",
    "snare": ".. x. .f ff",
    "kick": "x. .. x. ..",
}
ROCK: Final = Groove(
    title="Rock",
    bpm=116,
    meter="4/4",
    bars=(
        _ROCK, _ROCK_OPEN, _ROCK, _ROCK_FILL,
        _ROCK_CRASH, _ROCK_OPEN, _ROCK, _ROCK_END,
    ),
    sections={1: "Verse", 5: "Chorus"},
    dynamics={(1, "0"): "mf", (5, "0"): "f"},
    hairpins=(((4, "1/2"), (4, "1"), "crescendo"),),
)  # fmt: skip

# Shuffle: swung eighths all along, written plain under the mark; a fill in real triplets.
_SHUFFLE = {
    "ride": "xx xx xx xx",
    "snare": ".. x. .. x.",
    "kick": "x. .. xx ..",
    "foot": ".. x. .. x.",
}
_SHUFFLE_PUSH = {
    "ride": "xx xx xx xx",
    "snare": ".. x. .. xg",
    "kick": "x. .x x. .x",
    "foot": ".. x. .. x.",
}
_SHUFFLE_FILL = {
    "ride": "xx xx ... ...",
    "snare": ".. x. xxx ...",
    "high": ".. .. ... xx.",
    "floor": ".. .. ... ..x",
    "kick": "x. .. x.. x..",
    "foot": ".. x. ... ...",
    "hand": ".. .. RLR LRL",
}
SHUFFLE: Final = Groove(
    title="Shuffle",
    bpm=124,
    meter="4/4",
    swing=2.0,
    bars=(
        _SHUFFLE, _SHUFFLE_PUSH, _SHUFFLE, _SHUFFLE_FILL,
        {**_SHUFFLE, "crash": "x. .. .. ..", "ride": ".x xx xx xx"},
        _SHUFFLE_PUSH, _SHUFFLE, _SHUFFLE_PUSH,
    ),
    dynamics={(1, "0"): "mf"},
)  # fmt: skip

# Bossa nova: the clave on the rim, over feet that never change.
_BOSSA_FEET = {"kick": "x. .x x. .x", "foot": ".. x. .. x."}
_BOSSA_THREE = {"hat": "xx xx xx xx", "snare": "c. .c .. c.", **_BOSSA_FEET}
_BOSSA_TWO = {"hat": "xx xx xx xx", "snare": ".. c. .c ..", **_BOSSA_FEET}
BOSSA: Final = Groove(
    title="Bossa Nova",
    bpm=132,
    meter="4/4",
    bars=(
        _BOSSA_THREE, _BOSSA_TWO, _BOSSA_THREE, _BOSSA_TWO,
        _BOSSA_THREE, {**_BOSSA_TWO, "snare": ".. c. .c cc"},
    ),
    dynamics={(1, "0"): "mp"},
)  # fmt: skip

# Half-time shuffle: triplets on the hat without their middle, which is a ghost; backbeat on 3.
_HALF_TIME = {
    "hat": "x.x x.x x.x x.x",
    "snare": ".g. .g. xg. .g.",
    "kick": "x.. ..x ... ..x",
}
_HALF_TIME_TWO = {
    "hat": "x.x x.x x.x x.o",
    "snare": ".g. .g. xg. .g.",
    "kick": "x.. ... ..x ...",
}
_HALF_TIME_FILL = {
    "hat": "x.x x.x ... ...",
    "snare": ".g. .g. xxx ...",
    "high": "... ... ... xx.",
    "floor": "... ... ... ..x",
    "kick": "x.. ..x x.. x..",
}
HALF_TIME_SHUFFLE: Final = Groove(
    title="Half-Time Shuffle",
    bpm=86,
    meter="4/4",
    bars=(
        _HALF_TIME, _HALF_TIME_TWO, _HALF_TIME, _HALF_TIME_FILL,
        {**_HALF_TIME, "crash": "x.. ... ... ...", "hat": "..x x.x x.x x.x"},
        _HALF_TIME_TWO,
    ),
    dynamics={(1, "0"): "mf"},
)  # fmt: skip

# Train beat: brisk 16ths on the snare, its accents off the beat; feet keep walking.
_TRAIN = {
    "snare": "ssXs ssXs ssXs ssXs",
    "kick": "x x x x",
    "foot": ".x .x .x .x",
}
_TRAIN_TURN = {
    "snare": "ssXs ssXs ssXs XsXX",
    "kick": "x x x x",
    "foot": ".x .x .x .x",
}
TRAIN: Final = Groove(
    title="Train Beat",
    bpm=112,
    meter="4/4",
    bars=(_TRAIN, _TRAIN, _TRAIN, _TRAIN_TURN),
    dynamics={(1, "0"): "mp"},
)

# Blast beat: hat and kick against the snare, as fast as it goes; toms in 16ths to end it.
_BLAST = {
    "hat": "x.x. x.x. x.x. x.x.",
    "snare": ".x.x .x.x .x.x .x.x",
    "kick": "x.x. x.x. x.x. x.x.",
}
_BLAST_CRASH = {
    "crash": "x. .. .. ..",
    "hat": "..x. x.x. x.x. x.x.",
    "snare": ".x.x .x.x .x.x .x.x",
    "kick": "x.x. x.x. x.x. x.x.",
}
_BLAST_FILL = {
    "snare": "xxxx .... .... ....",
    "high": ".... xxxx .... ....",
    "mid": ".... .... xxxx ....",
    "floor": ".... .... .... xxxx",
    "kick": "x.x. x.x. x.x. x.x.",
}
BLAST: Final = Groove(
    title="Blast Beat",
    bpm=190,
    meter="4/4",
    bars=(_BLAST_CRASH, _BLAST, _BLAST, _BLAST_FILL, _BLAST_CRASH, _BLAST),
    dynamics={(1, "0"): "ff"},
)

# Samba: in two, the kick's ostinato with the foot hat between, the ride's 16ths above.
_SAMBA = {
    "ride": "x.xx x.xx",
    "snare": "c..c ..c.",
    "kick": "x..x x..x",
    "foot": "..x. ..x.",
}
_SAMBA_TWO = {
    "ride": "x.xx x.xx",
    "snare": ".c.. c..c",
    "kick": "x..x x..x",
    "foot": "..x. ..x.",
}
SAMBA: Final = Groove(
    title="Samba",
    bpm=104,
    meter="2/4",
    bars=(_SAMBA, _SAMBA_TWO) * 3
    + (
        {**_SAMBA, "ride": "bxxb xbxx"},
        {**_SAMBA_TWO, "ride": ".... ....", "snare": "xxxx xx..", "floor": ".... ..xx"},
    ),
    dynamics={(1, "0"): "mf"},
)

# Songo: bell in quarters, the hands' left plays ghosts and the drums' talk.
_SONGO = {
    "bell": "x x x x",
    "snare": "..xg ..gg ..xg ..g.",
    "floor": ".... .... .... ...x",
    "kick": "...x ..x. ...x ..x.",
}
_SONGO_TWO = {
    "bell": "x x x x",
    "snare": "..xg ..gg ..xg ....",
    "high": ".... .... .... ..x.",
    "floor": ".... .... .... ...x",
    "kick": "...x ..x. ...x ..x.",
}
SONGO: Final = Groove(
    title="Songo",
    bpm=98,
    meter="4/4",
    bars=(_SONGO, _SONGO_TWO, _SONGO, _SONGO_TWO),
    dynamics={(1, "0"): "mf"},
)

# Jazz waltz: the ride's three with a skip, foot hat on 2, light comping.
_WALTZ = {
    "ride": "x. xx x.",
    "snare": ".. .. .s",
    "kick": "x. .. ..",
    "foot": ".. x. ..",
}
_WALTZ_TWO = {
    "ride": "x. xx x.",
    "snare": ".. .s ..",
    "kick": "x. .. .x",
    "foot": ".. x. ..",
}
WALTZ: Final = Groove(
    title="Jazz Waltz",
    bpm=144,
    meter="3/4",
    swing=1.8,
    bars=(
        _WALTZ, _WALTZ_TWO, _WALTZ, _WALTZ_TWO,
        _WALTZ, _WALTZ_TWO, {**_WALTZ, "ride": "x. xx xx"},
        {"crash": "x. .. ..", "snare": ".. Xs Xs", "kick": "x. .. ..", "foot": ".. x. .."},
    ),
    dynamics={(1, "0"): "mp", (8, "1/4"): "f"},
    hairpins=(((7, "0"), (8, "1/4"), "crescendo"),),
)  # fmt: skip

# 6/8 ballad: eighths on the hat, backbeat on 4, a fill that grows in 16ths.
_BALLAD = {
    "hat": "xxx xxx",
    "snare": "... x..",
    "kick": "x.. ..x",
}
_BALLAD_GHOST = {
    "hat": "xxx xxo",
    "snare": "...... x....g",
    "kick": "x.. .x.",
}
_BALLAD_FILL = {
    "hat": "xxx ......",
    "snare": "... xxxx..",
    "high": "... ....x.",
    "floor": "... .....x",
    "kick": "x.. x.....",
}
BALLAD: Final = Groove(
    title="Ballad in Six",
    bpm=52,
    meter="6/8",
    bars=(
        _BALLAD, _BALLAD_GHOST, _BALLAD, _BALLAD_FILL,
        {**_BALLAD, "crash": "x.. ...", "hat": ".xx xxx"},
        _BALLAD_GHOST,
    ),
    sections={1: "Verse", 5: "Chorus"},
    dynamics={(1, "0"): "p", (5, "0"): "f"},
    hairpins=(((4, "3/8"), (4, "3/4"), "crescendo"),),
)  # fmt: skip

# Funk: 16ths, ghosts between the backbeats, a hat that opens and is closed by the foot or stick.
_FUNK = {
    "hat": "Xsxs xsxs Xsxs xsxs",
    "snare": ".... x..g .g.. x..g",
    "kick": "x.x. .... ..x. .x..",
}
_FUNK_OPEN = {
    "hat": "Xsxs xsxs Xsxs xso.",
    "snare": ".... x..g .g.g x...",
    "kick": "x..x .... .xx. ....",
}
_FUNK_FOOT = {
    "hat": "..xs xsxs Xso. xsxs",
    "foot": "x... .... .... ....",
    "snare": ".... x..g .g.. x..g",
    "kick": "x.x. .... ..x. .x..",
}
_FUNK_FILL = {
    "hat": "Xsxs xsxs .... ....",
    "snare": ".... x..g xgxx gxd.",
    "floor": ".... .... .... ...x",
    "kick": "x.x. .... x... x...",
    "hand": ".... .... RLRR LRL.",
}
FUNK: Final = Groove(
    title="Funk",
    bpm=98,
    meter="4/4",
    bars=(_FUNK, _FUNK_OPEN, _FUNK_FOOT, _FUNK_FILL, _FUNK, _FUNK_OPEN),
    dynamics={(1, "0"): "f"},
)

# Jazz ride: spang-a-lang, feet on 2 and 4, the left hand comps in triplets and swung eighths.
_JAZZ = {
    "ride": "x xx x xx",
    "foot": ". x . x",
}
_JAZZ_COMP = {
    "ride": "x xx x xx",
    "snare": ".. .s .. ..",
    "kick": ".. .. .. .x",
    "foot": ". x . x",
}
_JAZZ_TRIPLET = {
    "ride": "x x.x x x.x",
    "snare": ". .ss . .s.",
    "kick": ". ... . ..x",
    "foot": ". x . x",
}
_JAZZ_ANSWER = {
    "ride": "x.x xx x xx",
    "snare": ".s. .. .s ..",
    "kick": "x.. .. .. .x",
    "foot": ". x . x",
}
JAZZ: Final = Groove(
    title="Jazz Ride",
    bpm=148,
    meter="4/4",
    swing=1.9,
    bars=(
        _JAZZ, _JAZZ_COMP, _JAZZ, _JAZZ_TRIPLET,
        _JAZZ, _JAZZ_COMP, _JAZZ_ANSWER, _JAZZ_TRIPLET,
    ),
    dynamics={(1, "0"): "mp"},
)  # fmt: skip

GROOVES: Final[Mapping[str, Groove]] = {
    "rock": ROCK,
    "shuffle": SHUFFLE,
    "bossa": BOSSA,
    "half-time-shuffle": HALF_TIME_SHUFFLE,
    "train": TRAIN,
    "blast": BLAST,
    "samba": SAMBA,
    "songo": SONGO,
    "waltz": WALTZ,
    "ballad": BALLAD,
    "funk": FUNK,
    "jazz": JAZZ,
}
