"""What was measured, as Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from benchmarks.writing.mv2h import PARTS
from benchmarks.writing.scores import RIGHT, Scored, common, pool

HEADS = [
    "", "takes", "notes", "left out", "P", "R", "F", "bars right", "mean F", "F ≥ .9", "tuplets F",
    "beats' family", "meter", "downbeats", "ghosts F", "accents F", "graces F",
]  # fmt: skip


def share(value: float | None) -> str:
    if value is None:
        return "–"
    return "1.0" if value >= 0.9995 else f"{value:.3f}".lstrip("0")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def row(name: str, takes: Sequence[Scored]) -> list[str]:
    """Of `HEADS`: all notes pooled, and shares of takes."""
    total = pool(takes)
    each = [take.notes.f or 0.0 for take in takes]
    return [
        name,
        str(len(takes)),
        str(total.notes.wanted),
        f"{100 * total.left_out / max(1, total.played):.1f} %",
        share(total.notes.precision),
        share(total.notes.recall),
        f"**{share(total.notes.f)}**",
        share(pool(take for take in takes if take.downbeats).notes.f),
        share(fmean(each)),
        share(fmean(f >= RIGHT for f in each)),
        share(total.ternary.f),
        share(total.beats.recall),
        share(fmean(take.meter for take in takes)),
        share(fmean(take.downbeats for take in takes)),
        share(total.ghosts.f),
        share(total.accents.f),
        share(total.graces.f),
    ]


def by_kind(name: str, takes: Sequence[Scored]) -> list[list[str]]:
    """Whole takes and fills apart."""
    rows = []
    for kind, called in (("beat", "takes"), ("fill", "fills")):
        if own := [take for take in takes if take.kind == kind]:
            rows.append(row(f"{name}, {called}", own))
    return rows


def by_style(takes: Sequence[Scored]) -> str:
    styles: dict[str, list[Scored]] = defaultdict(list)
    for take in takes:
        if take.kind == "beat":
            styles[take.style].append(take)
    return table(HEADS, [row(style, own) for style, own in sorted(styles.items())])


def mv2h_row(name: str, takes: Sequence[Scored]) -> list[str]:
    """Means of the takes that it was computed for."""
    known = [take.mv2h for take in takes if take.mv2h is not None]
    total = pool(take for take in takes if take.mv2h is not None)
    means = [share(fmean(each[part] for each in known)) for part in (*PARTS, "joint")]
    return [name, str(len(known)), *means, share(total.notes.f)]


def worst(takes: Sequence[Scored], count: int) -> str:
    """The takes and the fills with the lowest F, and what is mistaken most in them."""
    lines = []
    ranked = sorted(takes, key=lambda take: take.notes.f or 0.0)
    shown = [[take for take in ranked if take.kind == kind][:count] for kind in ("beat", "fill")]
    for take in (take for kind in shown for take in kind):
        lines.append(
            f"- {take.name}: F {share(take.notes.f)}, {take.notes.wanted} notes, "
            f"{len(take.mistakes)} mistakes"
            + ("" if take.meter else ", meter wrong")
            + ("" if take.downbeats else ", downbeats wrong")
        )
        lines += [f"    - {times} x {kind}" for kind, times in common(take.mistakes).most_common(5)]
    return "\n".join(lines) + "\n"


def usual_mistakes(takes: Sequence[Scored], count: int) -> str:
    """Over all takes, whatever the beat; with the take that has most of it."""
    kinds = common((m for take in takes for m in take.mistakes), in_beat=True)
    own = {take.name: common(take.mistakes, in_beat=True) for take in takes}
    lines = []
    for kind, times in kinds.most_common(count):
        most = max(own, key=lambda name: own[name][kind])
        lines.append(f"- {times} x {kind} ({own[most][kind]} of them in {most})")
    return "\n".join(lines) + "\n"
