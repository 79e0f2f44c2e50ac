"""What the auth service tells."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from libs.common.messaging.event import Event


class UserEvent(Event):
    """About one user."""

    user_id: UUID

    @property
    def subject(self) -> str:
        """The user."""
        return str(self.user_id)


class UserRegistered(UserEvent):
    """A new account. Carries no address: events outlive an erased account."""

    type: ClassVar[str] = "auth.user-registered.v1"


class UserDeleted(UserEvent):
    """The account is gone; whatever it owned goes too."""

    type: ClassVar[str] = "auth.user-deleted.v1"
