"""What a file is, from its first bytes; its name and declared type are not asked."""

from __future__ import annotations

from typing import Final

HEAD_BYTES: Final = 4096

_EBML: Final = b"\x1a\x45\xdf\xa3"
_MPEG_TS_PACKET: Final = 188


def media_type(head: bytes) -> str | None:  # noqa: PLR0912 - one branch per format
    """The media type of an audio or video file that begins with `head`, or None.

    Signatures: ISO/IEC 14496-12 (`ftyp` and the older QuickTime atoms), RFC 9559 (EBML),
    RIFF, Ogg (RFC 3533), FLAC (RFC 9639), ID3v2 and MPEG audio sync, MPEG-TS and -PS, ASF, FLV.
    """
    kind = None
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        kind = (
            "video/quicktime"
            if brand == b"qt  "
            else "audio/mp4"
            if brand in (b"M4A ", b"M4B ")
            else "video/3gpp"
            if brand.startswith(b"3g")
            else "video/mp4"
        )
    elif head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        kind = "video/quicktime"
    elif head.startswith(_EBML):
        kind = "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    elif head.startswith(b"RIFF") and head[8:12] in (b"AVI ", b"WAVE"):
        kind = "video/x-msvideo" if head[8:12] == b"AVI " else "audio/wav"
    elif head.startswith(b"RF64") and head[8:12] == b"WAVE":
        kind = "audio/wav"
    elif head.startswith(b"OggS"):
        kind = "video/ogg" if b"theora" in head[:256] else "audio/ogg"
    elif head.startswith(b"fLaC"):
        kind = "audio/flac"
    elif head.startswith(b"FLV\x01"):
        kind = "video/x-flv"
    elif head.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"):
        kind = "video/x-ms-asf"
    elif head.startswith(b"\x00\x00\x01\xba"):
        kind = "video/mpeg"
    elif head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
        kind = "audio/aiff"
    elif head.startswith(b"caff"):
        kind = "audio/x-caf"
    elif head.startswith(b"ID3") or _is_mpeg_audio(head):
        kind = "audio/mpeg"
    elif len(head) > 2 * _MPEG_TS_PACKET and head[0] == head[_MPEG_TS_PACKET] == 0x47:
        kind = "video/mp2t"
    return kind


def _is_mpeg_audio(head: bytes) -> bool:
    """A frame sync with sensible fields (MPEG audio layers I to III, or ADTS AAC)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    if head[1] & 0xF6 == 0xF0:  # ADTS
        return head[2] >> 2 & 0xF < 13
    layer, bitrate, rate = head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return layer != 0 and bitrate not in (0, 15) and rate != 3


def display_name(given: str | None) -> str:
    """The uploader's file name made fit to show: no path, no control characters, 200 at most.
    Nothing is ever stored under it."""
    name = (given or "").replace("\\", "/").rpartition("/")[2]
    name = "".join(c for c in name if c.isprintable()).strip()
    if name in ("", ".", ".."):
        return "video"
    if len(name) > 200:
        stem, dot, suffix = name.rpartition(".")
        keep = 200 - len(suffix) - 1
        name = f"{stem[:keep]}.{suffix}" if dot and 0 < len(suffix) <= 10 else name[:200]
    return name
