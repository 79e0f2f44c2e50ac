"""Every event of the house, and who hears it.

`SUBSCRIBERS` is the one place that says which service hears which event. Transports declare the
queues from it before anything is published, so that an event told before its hearer first
started waits for it; a test holds it equal to the handlers that the services register.
"""

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
    ShareRevoked,
)
from libs.common.events.work import (
    AudioWorkAccepted,
    AudioWorkFailed,
    AudioWorkProgressed,
    AudioWorkStarted,
    NotationWorkFailed,
)
from libs.common.messaging.event import Event

__all__ = [
    "DURABLE",
    "SUBSCRIBERS",
    "TRANSIENT",
    "AudioEnhanced",
    "AudioExtracted",
    "AudioWorkAccepted",
    "AudioWorkFailed",
    "AudioWorkProgressed",
    "AudioWorkStarted",
    "EventsDetected",
    "JobCancelled",
    "JobRequested",
    "NotationCreated",
    "NotationDeleted",
    "NotationRevised",
    "NotationShared",
    "NotationWorkFailed",
    "ShareRevoked",
    "StemsSeparated",
    "UserDeleted",
    "UserRegistered",
    "VideoDeleted",
    "VideoUploaded",
]

SUBSCRIBERS: dict[type[Event], tuple[str, ...]] = {
    UserRegistered: (),
    UserDeleted: ("media", "notation"),
    VideoUploaded: ("audio", "notation"),
    VideoDeleted: ("audio", "notation"),
    JobRequested: ("audio", "notation"),
    JobCancelled: ("audio", "notation"),
    AudioWorkAccepted: ("media",),
    AudioWorkStarted: ("media",),
    AudioWorkFailed: ("media",),
    AudioWorkProgressed: ("media",),
    AudioExtracted: ("media", "audio"),
    EventsDetected: ("media", "notation"),
    StemsSeparated: ("media",),
    AudioEnhanced: ("media",),
    NotationWorkFailed: ("media",),
    NotationCreated: ("media",),
    NotationRevised: (),
    NotationDeleted: ("media",),
    NotationShared: ("media",),
    ShareRevoked: ("media",),
}

DURABLE = {kind.type: who for kind, who in SUBSCRIBERS.items() if not kind.transient}
TRANSIENT = {kind.type: who for kind, who in SUBSCRIBERS.items() if kind.transient}
