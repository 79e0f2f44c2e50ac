"""`python -m training.style DATA`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from services.ai.domain.styles import WEIGHTS, StyleModel
from services.ai.domain.styles.forest import FORMAT
from training.style.fit import (
    Example,
    Plan,
    Unseen,
    calibrate,
    examples_of,
    fit,
    made_example,
    unseen,
)
from training.style.made import make_parts
from training.style.parts import READINGS, write_takes
from training.style.score import Answer, calibration_error, surprise, within


def main() -> None:
    """Read the command line, fit, say what the validation split says, write."""
    parser = argparse.ArgumentParser(
        prog="python -m training.style",
        description="Fit styles-1, which tells a part's style, to takes of Groove MIDI as our own "
        "writing writes them (with the click's beats and with found ones) and to made grooves. "
        "Six minutes of two cores, three of one when the parts are kept. Takes that a forest has "
        "not seen calibrate it; the one that is written has seen training and validation splits. "
        "docs/models/styles-1.md says what came of it.",
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="folder that holds groove_midi")
    for field in fields(Plan):
        parser.add_argument(
            f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default,
            metavar="N", help="(%(default)s)",
        )  # fmt: skip
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "style-cache",
                        metavar="FOLDER", help="of written parts (%(default)s)")  # fmt: skip
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="(%(default)s)")
    parser.add_argument("--out", type=Path, default=WEIGHTS, metavar="FILE", help="(%(default)s)")
    given = parser.parse_args()
    if not (given.data / "groove_midi").is_dir():
        parser.error(f"{given.data} has no groove_midi")
    plan = Plan(**{field.name: getattr(given, field.name) for field in fields(Plan)})
    train = read(given.data, "train", given.cache, plan, given.processes)
    held_out = read(given.data, "validation", given.cache, plan, given.processes)
    made = [made_example(m.name, m.style, m.part, plan) for m in make_parts(plan.made, plan.seed)]
    fitted = fit([*examples(train), *made], plan)
    apart = list(leave_sessions_out([*train, *held_out], made, plan))
    fitted = calibrate(fitted, held_out_of(fitted, held_out, apart))
    print(f"floor {fitted.floor}, power {fitted.power}, sure from {fitted.sure_from}")
    print("\n".join(lines("validation", answers(fitted, held_out))))
    own = [answer for model, group in apart for answer in answers(like(model, fitted), group)]
    print("\n".join(lines("other sessions", own)))
    both = like(fit([*examples(train), *examples(held_out), *made], plan), fitted)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_bytes(both.to_json(FORMAT))
    print(f"{given.out}: {given.out.stat().st_size / 1000:.0f} kB")


Kinded = tuple[str, str, Example]
"""How it was written, beat or fill, and the example; a take's first is whole."""


def read(data: Path, split: str, cache: Path, plan: Plan, processes: int) -> list[Kinded]:
    """All examples of the split, in both readings."""
    rng = np.random.default_rng(plan.seed)
    return [
        (reading, written.kind, example)
        for reading in READINGS
        for written in write_takes(data, split, reading, cache, processes)
        for example in examples_of(
            written.name, written.style, written.part, plan, rng, fill=written.kind == "fill"
        )
    ]


def examples(kinded: Sequence[Kinded]) -> list[Example]:
    return [example for _, _, example in kinded]


def held_out_of(
    fitted: StyleModel, held_out: Sequence[Kinded], apart: Sequence[tuple[StyleModel, list[Kinded]]]
) -> list[Unseen]:
    """What calibrates: two thirds takes of sessions that were practised on, as those of the
    validation split are, and one third other sessions' beats. Those who use it are all others."""
    near = unseen(fitted, [example for _, _, example in held_out if example.weight == 1], 1.0)
    far = [
        each
        for model, group in apart
        for each in unseen(model, [e for _, k, e in group if k == "beat" and e.weight == 1], 1.0)
    ]
    weight = len(near) / 2 / max(1, len(far))
    return [*near, *(replace(each, weight=weight) for each in far)]


def like(model: StyleModel, calibrated: StyleModel) -> StyleModel:
    """The forest of one, believed as much as the other."""
    return replace(
        model, floor=calibrated.floor, power=calibrated.power, sure_from=calibrated.sure_from
    )


def answers(model: StyleModel, examples: Sequence[Kinded]) -> list[tuple[str, Answer]]:
    found = []
    for reading, kind, example in examples:
        if example.weight != 1:
            continue
        chances = model.chances(example.features, example.strokes)
        by_name = dict(zip([style.value for style in model.styles], chances, strict=True))
        unsure = max(chances) < model.sure_from
        found.append((reading, Answer(example.style.value, kind, by_name, unsure)))
    return found


def lines(name: str, found: Sequence[tuple[str, Answer]]) -> list[str]:
    """Rows of a table."""
    rows = []
    for reading in READINGS:
        for kind in ("", "beat", "fill"):
            own = [a for r, a in found if r == reading and kind in ("", a.kind)]
            if own:
                sure = [answer for answer in own if not answer.unsure]
                rows.append(
                    f"| {name}, {reading}, {kind or 'all'} | {len(own)} | {within(own, 1):.3f} "
                    f"| {within(own, 3):.3f} | {surprise(own):.2f} "
                    f"| {calibration_error(own):.3f} | {len(sure)} "
                    f"| {within(sure, 1) if sure else 0:.3f} |"
                )
    return rows


def leave_sessions_out(
    kinded: Sequence[Kinded], made: Sequence[Example], plan: Plan, folds: int = 6
) -> Iterator[tuple[StyleModel, list[Kinded]]]:
    """For each sixth of the sessions, a forest of the others, and what it has not seen."""
    sessions: dict[str, int] = {}
    for _, _, example in kinded:
        session = session_of(example)
        sessions[session] = sessions.get(session, 0) + (example.weight == 1)
    groups: list[list[str]] = [[] for _ in range(folds)]
    for session in sorted(sessions, key=lambda each: (-sessions[each], each)):
        min(groups, key=lambda group: sum(sessions[each] for each in group)).append(session)
    for group in groups:
        others = [example for _, _, example in kinded if session_of(example) not in group]
        own = [each for each in kinded if session_of(each[2]) in group]
        yield fit([*others, *made], plan), own


def session_of(example: Example) -> str:
    """Who played, and when."""
    return ":".join(example.take.split(":")[:2])


if __name__ == "__main__":
    main()
