"""What the notes of a kit are called, for the piano roll of a DAW.

Reaper: "MIDI note name" text files, a number and a name to a line (Reaper, MIDI editor, File, Note
names). Cubase: drum map (`.drm`), XML of 128 items as Cubase writes it itself.
"""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from services.notation.domain.document import ScoreDocument
from services.notation.domain.kit import Kit, kit_called

_OPEN_PEDAL = None


def names(kit: Kit) -> dict[int, str]:
    """By MIDI note, also those that only come in."""
    found = {}
    for note in range(128):
        piece = kit.piece_of(note, _OPEN_PEDAL, 64)
        if piece:
            found[note] = kit.entries[piece].name
    return found


def to_reaper(document: ScoreDocument, kit: Kit | None = None) -> bytes:
    """Highest first, as Reaper's own files are."""
    kit = kit or kit_called(document.score.kit)
    lines = [f"{note} {name}" for note, name in sorted(names(kit).items(), reverse=True)]
    return "\n".join([*lines, ""]).encode()


def to_cubase(document: ScoreDocument, kit: Kit | None = None) -> bytes:
    """Every note stands for itself; those of the kit have its names and come first in order."""
    kit = kit or kit_called(document.score.kit)
    named = names(kit)
    items = "".join(
        f'<item><int name="INote" value="{note}"/><int name="ONote" value="{note}"/>'
        '<int name="Channel" value="9"/><float name="Length" value="200"/>'
        f'<int name="Mute" value="0"/><int name="DisplayNote" value="{note}"/>'
        '<int name="HeadSymbol" value="0"/><int name="Voice" value="0"/>'
        '<int name="PortIndex" value="0"/>'
        f'<string name="Name" value={quoteattr(named.get(note, ""))} wide="true"/>'
        '<int name="QuantizeIndex" value="0"/></item>\n'
        for note in range(128)
    )
    order = [*sorted(named), *(note for note in range(128) if note not in named)]
    listed = "".join(f'<item value="{note}"/>' for note in order)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<DrumMap>\n'
        f'<string name="Name" value={quoteattr(kit.name)} wide="true"/>\n'
        '<list name="Quantize" type="list"><item><int name="Grid" value="4"/>'
        '<int name="Type" value="0"/><float name="Swing" value="0"/>'
        '<int name="Legato" value="50"/></item></list>\n'
        f'<list name="Map" type="list">\n{items}</list>\n'
        f'<list name="Order" type="int">{listed}</list>\n'
        '<list name="OutputDevices" type="list"><item>'
        '<string name="DeviceName" value="Default Device"/>'
        '<string name="PortName" value="Default Port"/></item></list>\n</DrumMap>\n'
    ).encode()
