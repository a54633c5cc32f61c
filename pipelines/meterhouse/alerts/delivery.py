"""Finds new alerts and delivers what is due: first decided in the outbox, then sent, so that a crash loses none."""

import sys
from email.message import EmailMessage
from email.policy import default

from meterhouse import mail
from meterhouse.alerts import webhooks
from meterhouse.alerts.rules import Found, find, load_rules
from meterhouse.governance import Governance, read_governance
from meterhouse.outbox import Alert, Delivery, Outbox
from meterhouse.paths import DataDir
from meterhouse.settings import Settings
from meterhouse.snapshot import reading
from meterhouse.storage import Storage


def find_and_deliver(data: DataDir, raw: str, settings: Settings) -> list[str]:
    """Decide every new alert, send everything that is due; gives a line for each, without addresses."""
    governance = read_governance(Storage(raw), settings)
    addresses = webhooks.labels(settings.alerts_webhooks)
    with reading(data) as db:
        found = find(db, load_rules(), settings.dashboard_url)
    with Outbox(data.outbox) as outbox:
        new = [row.alert for row in found if _decide(row, governance, list(addresses), outbox)]
        lines = [f"new: {alert.subject}" for alert in new]
        attempts = [*_post_all(addresses, outbox), *_mail_all(settings, outbox)]
        waiting = len(outbox.open_deliveries(mail.CHANNEL))
    lines += [f"{row.dedup_key}: {row.channel} {_ending(row)}" for row in attempts]
    if waiting and not settings.mail_host:
        lines.append(f"{waiting} mails are due: no mail server is set; set METERHOUSE_MAIL_HOST and run again")
    return lines or ["no new alerts, none waiting to be sent"]


def owner_of(found: Found, governance: Governance) -> str | None:
    """The address of whoever answers for the alert, or None when governance.yaml has dropped its budget or limit."""
    owners = {
        "budget_owner": {row.team: row.owner for row in governance.budgets},
        "limit_owner": {row.name: row.owner for row in governance.limits},
    }[found.rule.notify]
    return owners.get(found.row["team" if found.rule.notify == "budget_owner" else "limit_name"])


def _decide(found: Found, governance: Governance, webhook_labels: list[str], outbox: Outbox) -> bool:
    owner = owner_of(found, governance)
    if owner is None:
        key = found.alert.dedup_key
        print(
            f"{key}: governance.yaml has no owner for it any more; run `meterhouse run` to forget it", file=sys.stderr
        )
        return False
    recipients = [(mail.CHANNEL, owner), *((webhooks.CHANNEL, label) for label in webhook_labels)]
    return outbox.decide(found.alert, recipients)


def _post_all(addresses: dict[str, str], outbox: Outbox) -> list[Delivery]:
    settled = []
    for alert, row in outbox.open_deliveries(webhooks.CHANNEL):
        if row.recipient in addresses:
            claimed = outbox.claim(row)
            settled.append(outbox.settle(claimed, *webhooks.post(addresses[row.recipient], alert)))
        else:
            outbox.settle(row, "failed", "no longer in the settings")
    return settled


def _mail_all(settings: Settings, outbox: Outbox) -> list[Delivery]:
    if not settings.mail_host:
        return []
    due = outbox.open_deliveries(mail.CHANNEL)
    return mail.send([(row, lambda _, alert=alert: message(alert)) for alert, row in due], settings, outbox)


def message(alert: Alert) -> EmailMessage:
    """The mail of one alert: plain text, for reading on a telephone."""
    mail_ = EmailMessage(policy=default.clone(max_line_length=200))  # the subject stays on one line
    mail_["Subject"] = f"[Meterhouse] {alert.subject}"
    mail_.set_content(alert.body)
    return mail_


def _ending(row: Delivery) -> str:
    return f"{row.state} ({row.last_error})" if row.last_error else row.state
