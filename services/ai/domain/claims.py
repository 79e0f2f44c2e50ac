"""Whether words say more than the facts bear.

Every figure in a sentence must be one of the ledger's, of the unit that the sentence gives it and,
where that can be told, of the drum and the side; a piece, a subdivision or a style that it names
must be there. What cannot be read as a figure of a known unit is refused: to leave out a true
sentence costs less than to keep a false one. So are addresses, markup, people, and whatever is not
plain English letters. What has no figure and no name ("the fill is lively") is free.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from services.ai.domain import lexicon as lex
from services.ai.domain.ledger import Entry, Ledger, Unit


@dataclass(frozen=True, slots=True)
class Refused:
    """A sentence, and what in it the facts do not bear; fit to be kept and shown."""

    sentence: str
    why: str

    @classmethod
    def of(cls, sentence: str, why: str) -> Refused:
        """What cannot be printed is a model's fault as well, and no database takes it."""
        return cls(*("".join(c if c.isprintable() else "?" for c in one)[:_SHOWN]
                     for one in (sentence, why)))  # fmt: skip


_SHOWN: Final = 300
_LONGEST: Final = 400
"""Characters of a sentence; the rules' have 250. Keeps the search for figures short as well."""


def sentences(text: str) -> list[str]:
    """In order. A full stop inside a number ends nothing."""
    parts = re.split(r"(?<=[.!?])\s+(?=[\"'(]?[A-Z0-9])|\n+", text.strip())
    return [part.strip() for part in parts if part.strip()]


def faults(sentence: str, ledger: Ledger) -> Iterator[str]:
    """Everything in it that the facts do not bear."""
    if len(sentence) > _LONGEST:
        yield "it is too long for a sentence"
        return
    plain = unicodedata.normalize("NFKC", sentence).translate(lex.PLAIN_MARKS)
    odd = next(_odd_characters(sentence, plain), None)
    if odd is not None:
        yield odd
        return
    rest = _without_names(plain, ledger.names)
    if found := lex.UNPLAIN.search(rest):
        yield f"not plain words: {found[0]!r}"
        return
    rest = lex.COUNTING.sub(lambda match: _counted_aloud(match, ledger), rest)
    yield from _odd_figures(rest)
    yield from _names(rest, ledger)
    yield from _sides(rest, ledger)
    yield from _figures(rest, ledger)


# Plain text


def _odd_characters(sentence: str, plain: str) -> Iterator[str]:
    if not plain.isprintable():
        yield "a character that is not printable"
    for char in sentence:
        # "12 with a small 2" would count as 122, and a Roman one as letters.
        if unicodedata.category(char) in lex.ODD_KINDS and char not in lex.DIACRITICS:
            yield f"{char!r} is no plain character"
    for word in re.findall(r"\S+", plain):
        bare = word.strip(".,;:!?()\"'").lower()
        if not word.isascii() and bare not in lex.FOREIGN_WORDS:
            yield f"{word!r} is not in plain letters"


def _without_names(text: str, names: Iterable[str]) -> str:
    """Their figures are theirs: "backbeat on 2 and 4"."""
    for name in sorted(set(names), key=len, reverse=True):
        if name:
            plain = unicodedata.normalize("NFKC", name).translate(lex.PLAIN_MARKS)
            text = re.sub(
                rf"(?<![\w.-]){re.escape(plain)}(?!\w|\.\d)",
                lambda match: _BLANK * len(match[0]),
                text,
                flags=re.IGNORECASE,
            )
    return text


_BLANK: Final = "\u00a4"
"""Stands for what was looked at already; no plain text holds it."""


def _counted_aloud(match: re.Match[str], ledger: Ledger) -> str:
    """Blank if it is beats in order: "1 e and a", "one, two, three, four"."""
    words = re.split(r"[\s,-]+", match["row"].lower())
    beats = [int(word) if word.isdigit() else lex.SMALL[word] for word in words
             if word.isdigit() or word in lex.SMALL]  # fmt: skip
    most = max((int(meter.partition("/")[0]) for meter in ledger.meters), default=4)
    in_order = all(b == a + 1 or (b == 1 and a > 1) for a, b in pairwise(beats))
    alone = len(beats) == 1 and len(words) < 2
    after = match.string[match.end() :]
    ends = match["end"] or lex.COUNTED_OUT.match(after)
    if alone or not in_order or not ends or max(beats) > most or 0 in beats:
        return match[0]
    return match["cue"] + _BLANK * (len(match[0]) - len(match["cue"]))


# Figures that are refused whatever they are


def _odd_figures(text: str) -> Iterator[str]:
    for pattern in (
        lex.ORDINALS,
        lex.MULTIPLES,
        *lex.VAGUE,
        *lex.ROMANS,
        lex.TIMES_OF_DAY,
        lex.CLOCK,
        lex.QUANTIFIED,
    ):
        if found := pattern.search(text):
            yield f"{found[0]!r} is a figure that cannot be checked"
    for found in lex.MIXED.finditer(text):
        if not lex.MIXED_GOOD.fullmatch(found[0]):
            yield f"{found[0]!r} may be a figure"
    for found in re.finditer(
        r"\b\d+(?:th|nd|st|rd)\b", lex.NOTE_VALUE.sub("", text), re.IGNORECASE
    ):
        yield f"{found[0]!r} is a figure that cannot be checked"
    for found in lex.SPACED.finditer(text):
        if not lex.STICKING.fullmatch(found[0]):
            yield f"{found[0]!r} is no word"
    words = re.findall(r"[a-z]+", text.lower())
    for word in words:
        if _nearly_a_number(word):
            yield f"{word!r} may be a figure"
    for a, b in pairwise(words):
        if f"{a} {b}" in text.lower() and a + b in _SPLIT and {a, b} - _SHORT:
            yield f"{a + b!r} is written as two words"


_SPLIT: Final = frozenset(
    {word for word in (*lex.WORDS, *lex.STYLES, "pop", "rock") if word.isalpha() and len(word) > 3}
) - {"latin"}
_SHORT: Final = frozenset({"on", "e", "to", "in", "a", "i", "be", "at", "so", "no", "for", "it"})


def _nearly_a_number(word: str) -> bool:
    """A letter too much, too few, another, or two swapped: "fourty", "ninty"."""
    if word in lex.NEAR or word in lex.WORDS:
        return False
    return word in _MISSPELLED or any(
        _one_apart(word, number)
        for number in lex.WORDS
        if len(number) >= 5 and number not in _OTHERS
    )


_OTHERS: Final = frozenset({"seven", "eight", "three", "dozen"})
"""Too many English words are near these: "even", "right", "there"."""
_MISSPELLED: Final = frozenset(
    {"eigth", "eigh", "seveen", "sevn", "sevan", "threee", "thre", "fiveteen", "twelf", "elven",
     "fourten", "eightteen", "ninteen", "fiften", "tweny", "thrity", "hunderd", "thousend"}
)  # fmt: skip


def _one_apart(a: str, b: str) -> bool:
    if abs(len(a) - len(b)) > 1 or a[0] != b[0]:
        return False
    if len(a) > len(b):
        a, b = b, a
    at = next((nth for nth, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    if len(a) < len(b):
        return a[at:] == b[at + 1 :]
    swapped = a[at : at + 2] == b[at : at + 2][::-1] and a[at + 2 :] == b[at + 2 :]
    return swapped or a[at + 1 :] == b[at + 1 :]


# Names


def _names(text: str, ledger: Ledger) -> Iterator[str]:
    for pattern, pieces in lex.PIECES:
        if (found := pattern.search(text)) and not pieces & ledger.pieces:
            yield f"there is no {found[0]}"
    if found := lex.NOT_HERE.search(text):
        yield f"there is no {found[0]}"
    known = " ".join(name for name in ledger.names if " is usually " not in name).lower()
    for pattern, root in lex.FIGURES_OF_SPEECH:
        if (found := pattern.search(text)) and root not in known:
            yield f"no {found[0]} was found"
    for pattern, grid in lex.GRID_WORDS:
        if (found := pattern.search(text)) and grid not in ledger.grids:
            yield f"there are no {found[0]}"
    yield from _styles(text, ledger)
    yield from _people(text, ledger, known)


def _people(text: str, ledger: Ledger, known: str) -> Iterator[str]:
    """Also records, brands, and letters that stand for nothing."""
    if found := lex.PEOPLE.search(text):
        yield f"nobody is to be named: {found[0]}"
    if found := lex.GROOVE_LETTER.search(text):
        yield f"there is no {found[0]}"
    called = {word for style in ledger.styles for word in re.findall(r"[\w'&-]+", style.lower())}
    called |= set(re.findall(r"[\w'&-]+", known))
    for found in lex.CAPITAL.finditer(text):
        word = found[1].strip("'-").lower()
        if (
            word not in called
            and word not in lex.MAY_BE_CAPITAL
            and not re.fullmatch(r"[rl]+", word)
        ):
            yield f"{found[1]!r} is a name that the facts do not hold"
    for found in re.finditer(r"\b[A-Z]{2,}\b", text):
        if found[0].lower() not in called | lex.MAY_BE_CAPITAL | set(
            lex.WORDS
        ) and not re.fullmatch(r"[RL]+", found[0]):
            yield f"{found[0]!r} is a name that the facts do not hold"


def _styles(text: str, ledger: Ledger) -> Iterator[str]:
    called = {style.lower() for style in ledger.styles}
    for pattern in (lex.STYLE, *lex.STYLE_IN_PLACE):
        for found in pattern.finditer(text):
            name = found["style"].lower()
            for base, of in lex.BASE:
                if base.match(name):
                    name = of
            if name and not called & {name, name.split()[-1], name.removesuffix("-ish")}:
                yield f"nothing speaks for {found['style']}"


def _sides(text: str, ledger: Ledger) -> Iterator[str]:
    """Who is late, and what becomes of the tempo, also where no figure says by how much."""
    labels = [one.label.lower() for one in ledger.entries]
    for pattern in lex.LEANS:
        for found in pattern.finditer(text):
            side = "late" if found["late"] else "early"
            fit = (_limbs(one) == _limbs(found["who"]) for one in labels if f"{side} on av" in one)
            if not any(fit) and not lex.SUPPOSED.search(text[: found.end()]):
                yield f"{found[0]!r} was not measured"
    for found in lex.DRIFTS.finditer(text):
        way = "faster" if found["faster"] else "slower"
        if not any("drift" in one and way in one for one in labels) and not lex.SUPPOSED.search(
            text[: found.end()]
        ):
            yield f"{found[0]!r} was not measured"
    levels = {found[0].lower().removesuffix("s") for found in lex.LEVELS.finditer(text)}
    if levels and ledger.level and ledger.level not in levels:
        yield f"it is {ledger.level}, not {', '.join(sorted(levels))}"


# Figures


@dataclass(frozen=True, slots=True)
class _Number:
    start: int
    end: int
    value: float
    decimals: int
    spelled: bool


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a number counts: a unit, nothing special ("two hands"), or None where it is unknown."""

    unit: Unit | None
    end: int
    """Where the unit ends, or the number where that stands before it."""
    free: bool = False


def _figures(text: str, ledger: Ledger) -> Iterator[str]:
    for match in lex.METER.finditer(text):
        if match[1] not in ledger.meters:
            yield f"there is no {match[1]}"
    blank = lex.METER.sub(lambda match: _BLANK * len(match[0]), text)
    blank = lex.NOTE_VALUE.sub(lambda match: _BLANK * len(match[0]), blank)
    numbers = _without_units(blank, sorted(_numbers(blank), key=lambda one: one.start))
    yield from _neighbours(blank, numbers)
    for number, read in zip(numbers, _units(blank, numbers), strict=True):
        why = None if read.free else _fault(blank, number, read, ledger)
        if why is not None:
            yield f"{blank[number.start : number.end]!r} {why}"
    for match in lex.UNIT_WORDS.finditer(blank):
        if not any(
            number.end <= match.start() <= number.end + lex.ENDS_A_NUMBER for number in numbers
        ):
            yield f"{match[0]!r} stands without a figure"
    for pattern, label in lex.PLACES:
        for match in pattern.finditer(blank):
            fit = ledger.bearing(float(match[1]), Unit.BAR, 0)
            if not any(label in entry.label for entry in fit):
                yield f"{match[0]!r} is not so"


def _fault(text: str, number: _Number, read: _Reading, ledger: Ledger) -> str | None:
    unit = read.unit
    if unit is None:
        free = (
            number.value == 1 and number.spelled and not lex.ONE_OF_A_KIND.match(text, number.end)
        )
        return None if free else "is of nothing that was measured"  # "this one" is free
    if unit is Unit.BARS and number.value == 1 and lex.REST_BEFORE.search(text[: number.start]):
        return None
    fit = list(ledger.bearing(number.value, unit, number.decimals))
    why = _twisted(text, number, read, unit)
    if why is None and unit is Unit.OF_TEN and not lex.DIFFICULT.search(text):
        why = "is of nothing that was measured"
    if why is None and not any(_agrees(entry, text, number) for entry in fit):
        why = f"{unit} is so of something else" if fit else f"{unit} is not so"
    return why


def _twisted(text: str, number: _Number, read: _Reading, unit: Unit) -> str | None:
    """What stands around and makes another figure of it: "96 bpm too fast", "2 fills a bar"."""
    before, after = text[: number.start], text[read.end :]
    clause = _clause(text, number)
    sided = unit is Unit.STROKES and (lex.LATE.search(clause) or lex.EARLY.search(clause))
    a_day = unit is Unit.MINUTES and lex.A_DAY.match(after)
    twists = (
        ("is a rate that nobody measured",
         unit in _COUNTS and lex.RATE.match(after) and not a_day),
        ("is a comparison that nobody made",
         unit in _COUNTS and (lex.COMPARED.match(after) or lex.COMPARED_BEFORE.search(before))),
        ("is a comparison that nobody made", unit in _UNSIDED and lex.SIDED.match(after)),
        ("is a difference that nobody measured",
         unit in _COUNTS - {Unit.MS, Unit.PERCENT} and lex.DIFFERENCE.search(before)),
        ("is of nothing that was measured", unit in _SCALES and not lex.GOES_ON.match(after)),
        ("is not of that drum", unit in _STRUCK and not sided and _OF_A_DRUM.match(after)),
    )  # fmt: skip
    return next((f"{unit} {why}" for why, so in twists if so), None)


_OF_A_DRUM: Final = lex.any_case(
    r" (?:\w+ )?(?:on|by|from|with|of) (?:the|your) (?:\w+ )?(?:kick|hat|hi-hat|tom|ride|crash|"
    r"foot|feet|left|right|bass)"
)
_SCALES: Final = frozenset({Unit.OF_TEN, Unit.RATIO, Unit.FRACTION})
_UNSIDED: Final = frozenset({Unit.BPM, Unit.MINUTES, Unit.DAYS, Unit.TIMES, Unit.BARS})
_STRUCK: Final = frozenset(
    {Unit.PER_SECOND, Unit.PER_BAR, Unit.GHOSTS, Unit.ACCENTS, Unit.GRACES, Unit.STROKES}
)
_COUNTS: Final = frozenset(Unit) - {Unit.BAR, Unit.BEAT, Unit.DAY}


def _agrees(entry: Entry, text: str, number: _Number) -> bool:
    """Whether the sentence says it of whom the entry does, and on the same side."""
    if entry.unit not in (Unit.MS, Unit.PERCENT, Unit.STROKES):
        return True
    label = entry.label.lower()
    clause = _clause(text, number)
    late, early = bool(lex.LATE.search(clause)), bool(lex.EARLY.search(clause))
    sides = bool(re.search(r"\blate\b", label)), bool(re.search(r"\bearly\b", label))
    if entry.unit is Unit.PERCENT:
        return _percent_agrees(label, text, clause)
    if entry.unit is Unit.STROKES:
        if any(sides) or late or early:
            return (late, early) == sides and _same_limbs(label, text, clause)
        return True
    if (late or early) and (late, early) != sides:
        return False
    return _same_limbs(label, text, clause)


def _same_limbs(label: str, text: str, clause: str) -> bool:
    named = _limbs(clause) or _limbs(text)
    return not named or named == _limbs(label)


def _percent_agrees(label: str, text: str, clause: str) -> bool:
    stems = [
        word for word in re.findall(r"[a-z]+", label) if len(word) > 2 and word not in lex.NO_TOPIC
    ]
    if stems and not any(
        re.search(rf"\b(?:{lex.SAME.get(stem, re.escape(stem[:6]))})", text, re.IGNORECASE)
        for stem in stems
    ):
        return False
    faster, slower = bool(lex.FASTER.search(text)), bool(lex.SLOWER.search(text))
    if "faster" in label or "slower" in label:
        return (faster, slower) in (("faster" in label, "slower" in label), (False, False))
    if faster or slower or lex.LATE.search(clause) or lex.EARLY.search(clause):
        return False
    allowed = _limbs(label) | {"ghosts", "snare"} if "ghost" in label else _limbs(label)
    return _limbs(clause) <= allowed | {"fill"}


def _limbs(text: str) -> set[str]:
    """Who is named, by the words for them."""
    found = set()
    for pattern, limb in lex.LIMBS:
        if pattern.search(text):
            found.add(limb)
            text = pattern.sub(lambda match: _BLANK * len(match[0]), text)
    return found


def _clause(text: str, number: _Number) -> str:
    """The part of the sentence that the number stands in, or with who was named before."""
    start = 0
    for match in lex.CLAUSE.finditer(text):
        if match.end() <= number.start and _limbs(text[match.end() : number.start]):
            start = match.end()
    after = re.search(
        r"[;:]|,(?! (?:as|so) (?:is|are|does|do)\b)|\b(?:but|while|whereas|and)\b",
        text[number.end :],
    )
    end = number.end + after.start() if after else len(text)
    return text[start:end]


def _neighbours(text: str, numbers: list[_Number]) -> Iterator[str]:
    """ "96 one bpm" is nobody's figure."""
    for one, other in pairwise(numbers):
        bars = one.spelled != other.spelled and lex.BARS_BEFORE.search(text[: one.end])
        if not text[one.end : other.start].strip() and not bars:
            yield f"{text[one.start : other.end]!r} cannot be read"


def _without_units(text: str, numbers: list[_Number]) -> list[_Number]:
    """The ten of "4.3 of 10" and the one of "1.6 to 1" are units."""
    good: list[_Number] = []
    for number in numbers:
        whole = good and re.match(r"(?:\s*(?:out\s+)?of\s*|\s*(?:to|:)\s*)$",
                                  text[good[-1].end : number.start])  # fmt: skip
        is_unit = (
            whole
            and not _is_bar(text[: good[-1].start])
            and (
                (number.value == 10 and "of" in whole[0])
                or (number.value == 1 and "of" not in whole[0])
            )
        )
        if not is_unit:
            good.append(number)
    return good


def _numbers(text: str) -> Iterable[_Number]:
    for match in lex.NUMBER.finditer(text):
        digits = match["digits"]
        if digits is None:
            yield _Number(*match.span(), float(_spelled(match["words"])), 0, spelled=True)
            continue
        # "1,200" is one number, "96,108" may be two: a comma is refused as nothing measured.
        _, _, part = digits.partition(".")
        odd = "," in digits or "." in part
        value = float("nan") if odd else float(digits)
        yield _Number(*match.span(), value, len(part), spelled=False)
    for pattern, count in lex.OTHER_COUNTS:
        for match in pattern.finditer(text):
            yield _Number(match.start(), match.end(), float(count), 0, spelled=True)


def _spelled(words: str) -> int:
    total = current = 0
    for word in re.split(r"[\s-]+", words.lower()):
        if word in lex.SMALL:
            current += lex.SMALL[word]
        elif word in lex.TENS:
            current += lex.TENS[word]
        elif word == "dozen":
            current = max(1, current) * 12
        elif word == "hundred":
            current = max(1, current) * 100
        elif word in ("thousand", "million"):
            total += max(1, current) * (1000 if word == "thousand" else 1_000_000)
            current = 0
    return total + current


def _units(text: str, numbers: list[_Number]) -> list[_Reading]:
    """What each counts. Of numbers that stand in a row ("bars 3 to 6", "90, 96 and 102 bpm") one
    says it for all."""
    found = [_reading(text, number) for number in numbers]
    for index in range(len(numbers) - 1, 0, -1):
        between = text[numbers[index - 1].end : numbers[index].start]
        if lex.JOINED.fullmatch(between) and _is_open(found[index - 1]):
            found[index - 1] = _Reading(found[index].unit, numbers[index - 1].end,
                                        found[index].free)  # fmt: skip
    for index in range(1, len(numbers)):
        between = text[numbers[index - 1].end : numbers[index].start]
        if lex.JOINED.fullmatch(between) and _is_open(found[index]):
            unit, at = found[index - 1].unit, numbers[index].end
            if lex.GOES_ON.match(text, at) or (unit is Unit.BAR and not lex.NO_BAR.match(text, at)):
                found[index] = _Reading(found[index - 1].unit, numbers[index].end)
    return found


def _is_open(read: _Reading) -> bool:
    return read.unit is None and not read.free


def _reading(text: str, number: _Number) -> _Reading:
    before, after = text[: number.start], text[number.end :]
    if lex.LIMB_NOUN.match(after) and number.value in lex.LIMB_NUMBERS:
        return _Reading(None, number.end, free=True)
    for pattern, unit in lex.AFTER_RES:
        if (match := pattern.match(after)) and not (unit is Unit.RATIO and _is_bar(before)):
            return _Reading(unit, number.end + match.end())
    for pattern, unit in lex.BEFORE:
        if pattern.search(before):
            fits = not lex.NO_BAR.match(after) if unit is Unit.BAR else lex.GOES_ON.match(after)
            return _Reading(unit if fits else None, number.end)
    return _Reading(None, number.end)


def _is_bar(before: str) -> bool:
    """Whether "3 to 1" are bars and no ratio."""
    return bool(lex.BEFORE_BAR.search(before))


def kept(text: str, ledger: Ledger) -> tuple[str, list[Refused]]:
    """The sentences that the facts bear, joined again, and those that they do not."""
    good, refused = [], []
    for sentence in sentences(text):
        why = next(faults(sentence, ledger), None)
        if why is None:
            good.append(sentence)
        else:
            refused.append(Refused.of(sentence, why))
    return " ".join(good), refused
