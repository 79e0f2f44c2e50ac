"""What the editing process is known to hold."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Final
from uuid import UUID

from services.notation.models import Notation

MOST: Final = 1000

Key = tuple[UUID, int, datetime]


class Latest:
    """The digests of scores that were edited last. A version never changes once it is committed, so
    that its digest stays true; the process that should have the document may have lost it."""

    def __init__(self) -> None:
        self._digests: OrderedDict[Key, str] = OrderedDict()

    def digest(self, notation: Notation) -> str | None:
        """Of this score's current document, where it was made here."""
        return self._digests.get(_key(notation))

    def keep(self, notation: Notation, digest: str) -> None:
        """Once the version is committed."""
        self._digests[_key(notation)] = digest
        while len(self._digests) > MOST:
            self._digests.popitem(last=False)


def _key(notation: Notation) -> Key:
    return notation.id, notation.version, notation.updated_at
