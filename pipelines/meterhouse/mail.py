"""Mail over SMTP: one recipient at a time, each message recorded in the outbox, so that no run sends it twice.

What happened before the message's last byte went out is `failed`; a silence after it is `unknown`, because the server
may have taken it. Server texts repeat addresses, so only their codes are kept.
"""

import contextlib
import hashlib
import smtplib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from pathlib import Path

from meterhouse.errors import SettingsError
from meterhouse.outbox import Delivery, Outbox
from meterhouse.settings import Settings

CHANNEL = "mail"
TIMEOUT_S = 30
OWN_HEADERS = ("From", "To", "Date", "Message-ID", "Auto-Submitted")


@dataclass(frozen=True)
class Relay:
    """The mail server, as the settings describe it, with the password read and the certificates loaded."""

    host: str
    port: int
    security: str
    sender: str
    user: str | None
    password: str | None
    certificates: ssl.SSLContext


@dataclass(frozen=True)
class _Outcome:
    state: str
    error: str | None = None
    is_relay_down: bool = False


def deliver(
    message_for: Callable[[str], EmailMessage], recipients: Sequence[str], key: str, settings: Settings, outbox: Outbox
) -> list[Delivery]:
    """Send one message a recipient unless the outbox has it as sent under this key; gives all deliveries of the key.

    `message_for` makes subject and body; From, To, Date, Message-ID and Auto-Submitted are set here. A corrected message
    needs another key. Raises SettingsError when the mail server is not configured.
    """
    rows = [outbox.enter(key, CHANNEL, recipient) for recipient in dict.fromkeys(recipients)]
    return send([(row, message_for) for row in rows], settings, outbox)


def send(
    messages: Sequence[tuple[Delivery, Callable[[str], EmailMessage]]], settings: Settings, outbox: Outbox
) -> list[Delivery]:
    """Send what is open of these deliveries, none after the mail server was found to be down."""
    relay = relay_of(settings)
    deliveries = []
    is_relay_down = False
    for row, message_for in messages:
        if not row.is_open or is_relay_down:
            deliveries.append(row)
            continue
        message_id = row.message_id or _message_id(row.dedup_key, row.recipient, relay.sender)
        message = _addressed(message_for(row.recipient), relay.sender, row.recipient, message_id)
        claimed = outbox.claim(row, message_id)
        outcome = _send(message, row.recipient, relay)
        deliveries.append(outbox.settle(claimed, outcome.state, outcome.error))
        is_relay_down = outcome.is_relay_down
    return deliveries


def relay_of(settings: Settings) -> Relay:
    """The mail server; raises SettingsError for a missing or unreadable setting."""
    sender = settings.require("mail_sender")
    host = settings.require("mail_host")
    if not _is_address(sender):
        raise SettingsError("mail_sender: is no plain address; write name@example.com without a display name")
    if settings.mail_user and settings.mail_security == "none":
        raise SettingsError("mail_security: 'none' would send mail_user's password in the clear; use starttls or tls")
    try:
        certificates = ssl.create_default_context(cafile=settings.mail_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"mail_ca_file: {settings.mail_ca_file} holds no certificates; give a PEM file") from error
    password = _password(settings)
    return Relay(host, settings.mail_port, settings.mail_security, sender, settings.mail_user, password, certificates)


def _password(settings: Settings) -> str | None:
    if not settings.mail_user or settings.mail_password:
        return settings.mail_password
    path = Path(settings.require("mail_password_file"))
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"mail_password_file: {path} cannot be read; check its name and its permissions") from error


def _message_id(key: str, recipient: str, sender: str) -> str:
    """The same for the same key and recipient, so that a repeated message is known as one."""
    digest = hashlib.sha256(f"{key}\0{recipient}".encode()).hexdigest()[:32]
    return f"<{digest}@{sender.rpartition('@')[2]}>"


def _addressed(message: EmailMessage, sender: str, recipient: str, message_id: str) -> EmailMessage:
    """EmailMessage itself refuses CR and LF in every header."""
    for name in OWN_HEADERS:
        del message[name]
    message["From"] = sender
    message["To"] = recipient
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    return message


def _send(message: EmailMessage, recipient: str, relay: Relay) -> _Outcome:
    # not every server takes 8-bit bodies
    content = message.as_bytes(policy=message.policy.clone(linesep="\r\n", cte_type="7bit"))
    try:
        smtp = _connect(relay)
    except (smtplib.SMTPException, OSError) as error:
        return _Outcome("failed", _reason(error), is_relay_down=True)
    try:
        for step in (lambda: smtp.mail(relay.sender), lambda: smtp.rcpt(recipient)):
            code, _ = step()
            if code not in (250, 251):
                return _Outcome("failed", f"refused with {code}")
        return _transmit(smtp, content)
    except (smtplib.SMTPException, OSError) as error:
        return _Outcome("failed", _reason(error))
    finally:
        smtp.close()


def _transmit(smtp: smtplib.SMTP, content: bytes) -> _Outcome:
    try:
        code, _ = smtp.data(content)
    except smtplib.SMTPDataError as error:
        return _Outcome("failed", f"refused with {error.smtp_code}")
    except (smtplib.SMTPException, OSError) as error:
        return _Outcome("unknown", _reason(error))
    if code != 250:
        return _Outcome("failed", f"refused with {code}")
    with contextlib.suppress(smtplib.SMTPException, OSError):  # the server has the message; QUIT is courtesy
        smtp.quit()
    return _Outcome("sent")


def _connect(relay: Relay) -> smtplib.SMTP:
    if relay.security == "tls":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(relay.host, relay.port, timeout=TIMEOUT_S, context=relay.certificates)
    else:
        smtp = smtplib.SMTP(relay.host, relay.port, timeout=TIMEOUT_S)
    try:
        if relay.security == "starttls":
            smtp.starttls(context=relay.certificates)
        smtp.ehlo_or_helo_if_needed()
        if relay.user:
            smtp.login(relay.user, relay.password or "")
    except BaseException:
        smtp.close()
        raise
    return smtp


def _reason(error: Exception) -> str:
    """What went wrong, without any text of the server's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__} {error.smtp_code}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def _is_address(text: str) -> bool:
    return text.isascii() and text.isprintable() and "@" in text and parseaddr(text) == ("", text)
