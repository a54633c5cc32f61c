"""Webhooks through Apprise: chat channels and any HTTP receiver. Addresses hold secrets and come from settings only.

Apprise answers with true or false. An answer of the receiver that is no success is `failed`; a silence after sending is
`unknown`, since the receiver may have taken it.
"""

import hashlib
import logging
from typing import TYPE_CHECKING

from meterhouse.errors import SettingsError
from meterhouse.outbox import Alert

if TYPE_CHECKING:
    from apprise import Apprise

CHANNEL = "webhook"
_SILENCES = ("Read timed out", "Connection aborted")  # urllib3's words for a request that got no answer
_NOWHERE = logging.NullHandler()


def labels(addresses: tuple[str, ...]) -> dict[str, str]:
    """Addresses by the label that the outbox knows them under; the label tells the kind and nothing secret."""
    named = {}
    for number, address in enumerate(addresses, start=1):
        if not _receiver(address):
            raise SettingsError(
                f"alerts_webhooks: entry {number} is no address that Apprise knows; see docs/settings.md"
            )
        scheme = address.partition("://")[0].lower()
        named[f"{scheme}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"] = address
    return named


def post(address: str, alert: Alert) -> tuple[str, str | None]:
    """Send one alert; gives the delivery's state and error. Apprise escapes plain text for the receiver."""
    from apprise import NotifyFormat
    from apprise.logger import LogCapture

    receiver = _receiver(address)
    with LogCapture(level=logging.DEBUG) as log:
        is_sent = receiver.notify(title=_unmentioned(alert.subject), body=_unmentioned(alert.body),
                                  body_format=NotifyFormat.TEXT)  # fmt: skip
        told = log.getvalue()  # pyright: ignore[reportAttributeAccessIssue] - a StringIO, since no path is given
    if is_sent:
        return "sent", None
    if any(words in told for words in _SILENCES):
        return "unknown", "no answer"
    return "failed", "refused or not reached"


def _receiver(address: str) -> "Apprise":
    """Empty, hence false, when Apprise does not know the address. No redirects: they could lead into another network."""
    from apprise import Apprise, AppriseAsset

    logger = logging.getLogger("apprise")
    logger.propagate = False  # its lines repeat addresses
    logger.addHandler(_NOWHERE)
    receiver = Apprise(asset=AppriseAsset(app_id="Meterhouse", app_desc="Meterhouse", http_redirects=False))
    receiver.add(address)
    return receiver


def _unmentioned(text: str) -> str:
    """Chat systems take @here and @channel for calls; the full-width sign reads the same and calls nobody."""
    return text.replace("@", "＠")
