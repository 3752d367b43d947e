"""What may go wrong with webhooks."""

from bevyly.errors import Conflict


class TooManyWebhooks(Conflict):
    """The tenant has as many endpoints as it may have."""

    code = "too_many_webhooks"


class WebhookDisabled(Conflict):
    """Nothing is sent to an endpoint that is switched off."""

    code = "webhook_disabled"
