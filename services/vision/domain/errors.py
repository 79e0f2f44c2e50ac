"""Why a video cannot be looked at: each kind has a stable code and says what to do."""

from __future__ import annotations

from typing import ClassVar


class SeeingError(Exception):
    """An expected end: the video, not the service, is at fault. Retrying changes nothing."""

    code: ClassVar[str] = "seeing-failed"
    advice: ClassVar[str] = "This video could not be looked at."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.advice)


class UnreadableVideo(SeeingError):
    """No container that is read, or so cut off that no frame decodes."""

    code = "video-unreadable"
    advice = (
        "The pictures of this file cannot be read. Play it on your own machine; if it plays there, "
        "export it as MP4 (H.264) and upload that."
    )


class NoPictures(SeeingError):
    """A sound alone."""

    code = "no-video-track"
    advice = "This file has sound and no pictures: there are no hands to be seen."


class TooLongToSee(SeeingError):
    """Longer than the service takes."""

    code = "video-too-long"
    advice = "This video is longer than the pictures are looked at. Cut it into shorter parts."
