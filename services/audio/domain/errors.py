"""Why a recording cannot be heard: each kind has a stable code and says what to do."""

from __future__ import annotations

from typing import ClassVar


class HearingError(Exception):
    """An expected end: the recording, not the service, is at fault. Retrying changes nothing."""

    code: ClassVar[str] = "hearing-failed"
    advice: ClassVar[str] = "This recording could not be heard."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.advice)


class UnreadableMedia(HearingError):
    """No container that is read, or so cut off that nothing decodes."""

    code = "media-unreadable"
    advice = (
        "This file is not a video or audio file that can be read, or it is cut off. "
        "Play it on your own machine; if it plays there, export it as MP4 and upload that."
    )


class NoAudioTrack(HearingError):
    """A readable file without sound."""

    code = "no-audio-track"
    advice = "This video has no sound track. Record or export it again with sound."


class CorruptAudio(HearingError):
    """More than half of the sound's packets do not decode."""

    code = "audio-corrupt"
    advice = "Most of this file's sound is damaged. Copy it again from the camera and upload that."


class EmptyAudio(HearingError):
    """A sound track of no samples."""

    code = "audio-empty"
    advice = "This file's sound track is empty. Record or export it again with sound."


class TooLong(HearingError):
    """Longer than the limit."""

    code = "media-too-long"

    def __init__(self, max_duration_s: float) -> None:
        super().__init__(
            f"This recording is longer than {max_duration_s / 60:.0f} minutes. "
            "Cut it into shorter parts and upload those."
        )


class SilentAudio(HearingError):
    """No sample reaches -60 dBFS."""

    code = "audio-silent"
    advice = (
        "This recording is silent. Check that the microphone was on, and record it again louder."
    )


class NoDrumsHeard(HearingError):
    """Sound, but nothing struck in it."""

    code = "no-drums-heard"
    advice = (
        "No drums were heard in this recording. Upload one in which the drums are clearly audible, "
        "or ask again with a higher sensitivity."
    )
