"""Auth hears nothing yet; it tells."""

from libs.common.messaging import Consumers

consumers = Consumers("auth")
