"""Every event of the house, and who hears it.

`SUBSCRIBERS` is the one place that says which service hears which event. Transports declare the
queues from it before anything is published, so that an event told before its hearer first
started waits for it; a test holds it equal to the handlers that the services register.
"""

from libs.common.events.ai import ComposedPart, NotationEnriched, VariationsCreated
from libs.common.events.audio import (
    AudioEnhanced,
    AudioExtracted,
    EventsDetected,
    StemsSeparated,
)
from libs.common.events.auth import UserDeleted, UserRegistered
from libs.common.events.media import JobCancelled, JobRequested, VideoDeleted, VideoUploaded
from libs.common.events.notation import (
    NotationCreated,
    NotationDeleted,
    NotationRevised,
    NotationShared,
    PartPublished,
    ScoreKept,
    ScoreRemoved,
    ShareRevoked,
)
from libs.common.events.vision import StrokesDetected
from libs.common.events.work import (
    AiWorkFailed,
    AiWorkStarted,
    AudioWorkAccepted,
    AudioWorkFailed,
    AudioWorkProgressed,
    AudioWorkStarted,
    NotationWorkFailed,
    VisionWorkAccepted,
    VisionWorkFailed,
    VisionWorkProgressed,
    VisionWorkStarted,
)
from libs.common.messaging.event import Event

__all__ = [
    "DURABLE",
    "SUBSCRIBERS",
    "TRANSIENT",
    "AiWorkFailed",
    "AiWorkStarted",
    "AudioEnhanced",
    "AudioExtracted",
    "AudioWorkAccepted",
    "AudioWorkFailed",
    "AudioWorkProgressed",
    "AudioWorkStarted",
    "ComposedPart",
    "EventsDetected",
    "JobCancelled",
    "JobRequested",
    "NotationCreated",
    "NotationDeleted",
    "NotationEnriched",
    "NotationRevised",
    "NotationShared",
    "NotationWorkFailed",
    "PartPublished",
    "ScoreKept",
    "ScoreRemoved",
    "ShareRevoked",
    "StemsSeparated",
    "StrokesDetected",
    "UserDeleted",
    "UserRegistered",
    "VariationsCreated",
    "VideoDeleted",
    "VideoUploaded",
    "VisionWorkAccepted",
    "VisionWorkFailed",
    "VisionWorkProgressed",
    "VisionWorkStarted",
]

SUBSCRIBERS: dict[type[Event], tuple[str, ...]] = {
    UserRegistered: (),
    UserDeleted: ("media", "notation", "ai"),
    VideoUploaded: ("audio", "notation", "ai", "vision"),
    VideoDeleted: ("audio", "notation", "ai", "vision"),
    JobRequested: ("audio", "notation", "ai", "vision"),
    JobCancelled: ("audio", "notation", "ai", "vision"),
    AudioWorkAccepted: ("media",),
    AudioWorkStarted: ("media",),
    AudioWorkFailed: ("media",),
    AudioWorkProgressed: ("media",),
    AudioExtracted: ("media", "audio"),
    EventsDetected: ("media", "notation", "vision"),
    StemsSeparated: ("media",),
    AudioEnhanced: ("media",),
    NotationWorkFailed: ("media",),
    NotationCreated: ("media",),
    NotationRevised: (),
    NotationDeleted: ("media",),
    NotationShared: ("media",),
    ShareRevoked: ("media",),
    ScoreKept: ("notation",),
    PartPublished: ("ai",),
    ScoreRemoved: ("notation", "ai"),
    AiWorkStarted: ("media",),
    AiWorkFailed: ("media",),
    NotationEnriched: ("media",),
    VariationsCreated: ("notation",),
    VisionWorkAccepted: ("media",),
    VisionWorkStarted: ("media",),
    VisionWorkFailed: ("media",),
    VisionWorkProgressed: ("media",),
    StrokesDetected: ("media", "notation"),
}

DURABLE = {kind.type: who for kind, who in SUBSCRIBERS.items() if not kind.transient}
TRANSIENT = {kind.type: who for kind, who in SUBSCRIBERS.items() if kind.transient}
