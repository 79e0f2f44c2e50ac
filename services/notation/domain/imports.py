"""Scores of other programs, told apart by their content: MusicXML, MIDI, Backbeat's own JSON."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import Final

from services.notation.domain.document import ScoreDocument
from services.notation.domain.kit import Kit
from services.notation.domain.read_midi import read_midi
from services.notation.domain.read_musicxml import parse_xml, read_musicxml
from services.notation.domain.score import TITLE_LENGTH, ScoreError

MAX_FILE_BYTES: Final = 50_000_000
MAX_XML_BYTES: Final = 10_000_000
"""Unpacked, too: a few kilobytes of an archive may hold as many elements as this has bytes."""
MAX_MIDI_BYTES: Final = 4_000_000
"""Twice what the most notes take that a score may have; a megabyte takes seconds to read."""


def read(data: bytes, *, file_name: str, kit: Kit) -> ScoreDocument:
    """A document of what the file holds; ScoreError("format") where it is none of these.

    `kit` says which MIDI notes mean what.
    """
    _at_most(data, MAX_FILE_BYTES)
    title = PurePosixPath(file_name.replace("\\", "/")).stem[:TITLE_LENGTH]
    title = "".join(char if char.isprintable() else " " for char in title)
    start = data[:512].lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00")
    if data.startswith(b"MThd") or (data.startswith(b"RIFF") and data[8:12] == b"RMID"):
        _at_most(data, MAX_MIDI_BYTES)
        begin = data.find(b"MThd")
        if begin < 0:
            raise ScoreError("format", "this RIFF file holds no MIDI")
        return read_midi(data[begin:], title=title, kit=kit)
    if data.startswith(b"PK"):
        _at_most(data, MAX_XML_BYTES)
        return read_musicxml(_unpacked(data), title=title, kit=kit)
    if start.startswith(b"<"):
        _at_most(data, MAX_XML_BYTES)
        return read_musicxml(data, title=title, kit=kit)
    if start.startswith(b"{"):
        return ScoreDocument.from_json(data)
    raise ScoreError(
        "format",
        "neither MusicXML, nor MIDI, nor a score of Backbeat's; export one of those",
    )


def _at_most(data: bytes, most: int) -> None:
    if len(data) > most:
        raise ScoreError("format", f"is larger than {most // 1_000_000} MB")


def _unpacked(data: bytes) -> bytes:
    """The score in a compressed MusicXML file, as its container names it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            name = next((n for n in names if n.lower().endswith((".musicxml", ".xml"))), None)
            if "META-INF/container.xml" in names:
                container = parse_xml(_entry(archive, "META-INF/container.xml"))
                found = container.find(".//{*}rootfile")
                name = name if found is None else found.get("full-path", name)
            else:
                name = next((n for n in names if not n.startswith("META-INF")), name)
            if name is None or name not in names:
                raise ScoreError("format", "this archive holds no MusicXML")
            return _entry(archive, name)
    except ScoreError:
        raise
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError,
        RuntimeError, ValueError, LookupError,
    ) as error:  # fmt: skip
        raise ScoreError("format", f"this archive cannot be read: {error}"[:300]) from error


def _entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """At most so much: an archive may say anything of its sizes."""
    with archive.open(name) as file:
        data = file.read(MAX_XML_BYTES + 1)
    if len(data) > MAX_XML_BYTES:
        raise ScoreError("format", f"unpacks to more than {MAX_XML_BYTES // 1_000_000} MB")
    return data
