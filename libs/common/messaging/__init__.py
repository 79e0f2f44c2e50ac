"""Events between services: outbox, inbox, relay, handlers, and the two transports.

`announce` and `first_time` join the caller's transaction; everything else is wiring.
"""

from libs.common.messaging.consumers import Consumers, Permanent
from libs.common.messaging.event import Event
from libs.common.messaging.inbox import first_time
from libs.common.messaging.outbox import announce

__all__ = ["Consumers", "Event", "Permanent", "announce", "first_time"]
