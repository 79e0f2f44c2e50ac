"""The styles that are told apart: the primary ones of Groove MIDI."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Style(StrEnum):
    """A family, named as Groove MIDI names it."""

    ROCK = "rock"
    FUNK = "funk"
    JAZZ = "jazz"
    LATIN = "latin"
    HIPHOP = "hiphop"
    AFROCUBAN = "afrocuban"
    PUNK = "punk"
    NEWORLEANS = "neworleans"
    SOUL = "soul"
    COUNTRY = "country"
    POP = "pop"
    REGGAE = "reggae"
    GOSPEL = "gospel"
    AFROBEAT = "afrobeat"
    DANCE = "dance"
    BLUES = "blues"
    MIDDLEEASTERN = "middleeastern"
    HIGHLIFE = "highlife"

    @property
    def label(self) -> str:
        """As it is shown."""
        return _LABELS.get(self, self.value.capitalize())


_LABELS: Final[Mapping[Style, str]] = {
    Style.HIPHOP: "Hip-hop",
    Style.AFROCUBAN: "Afro-Cuban",
    Style.NEWORLEANS: "New Orleans",
    Style.MIDDLEEASTERN: "Middle Eastern",
}
