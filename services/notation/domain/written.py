"""A document with what a list tells of it, so that only one process reads a megabyte of JSON."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Self

from services.notation.domain.document import ScoreDocument
from services.notation.domain.stats import summary

RECENT_BYTES: Final = 8_000_000


@dataclass(frozen=True, slots=True)
class Written:
    """A checked score."""

    document: bytes
    """As `ScoreDocument.to_json` writes it."""
    digest: str
    title: str
    tempo: int | None
    """Quarter notes a minute at the start, rounded."""
    time_signature: str
    bar_count: int
    note_count: int
    kit: str

    @classmethod
    def of(cls, score: ScoreDocument) -> Self:
        """For a document that was read or checked."""
        found, marks, document = summary(score), score.timeline.tempo_map, score.to_json()
        return cls(
            document=document,
            digest=hashlib.sha256(document).hexdigest(),
            title=score.score.title,
            tempo=round(marks[0].quarters_per_minute) if marks else None,
            time_signature=found.meter,
            bar_count=found.bars,
            note_count=found.notes,
            kit=score.score.kit,
        )

    @classmethod
    def read(cls, document: bytes | str) -> Self:
        """For JSON of any format; ScoreError where it breaks a rule. Slow."""
        return cls.of(ScoreDocument.from_json(document))


class Recent:
    """The documents that were edited last, by digest, up to so many bytes of JSON."""

    def __init__(self, most_bytes: int = RECENT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, tuple[ScoreDocument, bool, int]] = OrderedDict()

    def get(self, digest: str) -> tuple[ScoreDocument, bool] | None:
        """A document, and whether its bars are as the engraver writes them."""
        found = self._kept.get(digest)
        if found is None:
            return None
        self._kept.move_to_end(digest)
        return found[:2]

    def keep(self, written: Written, score: ScoreDocument, *, engraved: bool) -> None:
        """Keep it in place of those that were not edited for the longest."""
        if written.digest in self._kept:
            self._kept.move_to_end(written.digest)
            return
        self._kept[written.digest] = score, engraved, len(written.document)
        self._bytes += len(written.document)
        while self._bytes > self._most_bytes:
            _, (_, _, size) = self._kept.popitem(last=False)
            self._bytes -= size
