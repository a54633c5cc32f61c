"""Mails one week's report to the executives of governance.yaml, each once; the outbox remembers who has it.

A provisional report has a key of its own, so that the complete one still goes out.
"""

from collections.abc import Callable
from email.message import EmailMessage
from email.policy import default

from meterhouse import asof
from meterhouse.errors import MeterhouseError, SettingsError
from meterhouse.governance import FILE, read_governance
from meterhouse.mail import deliver
from meterhouse.outbox import Outbox
from meterhouse.paths import DataDir
from meterhouse.report import render
from meterhouse.report.model import ReportModel
from meterhouse.report.read import kept_as, report_of
from meterhouse.settings import Settings
from meterhouse.storage import Storage


def send(data: DataDir, week: str, raw: str, settings: Settings) -> list[str]:
    """Mail the report to whoever lacks it; gives a line for each recipient, without addresses.

    Raises MeterhouseError when a mail did not leave; the next run tries it again.
    """
    report = report_of(data, week, settings.dashboard_url)
    executives = read_governance(Storage(raw), settings).executives
    if not executives:
        raise SettingsError(f"{FILE}: recipients.executives is empty; list who gets the weekly report")
    key = f"report-{report.week.label}{'-provisional' if report.notice else ''}"
    compose = composer(report, settings.require("mail_sender").rpartition("@")[2])
    tried: list[str] = []

    def message_for(recipient: str) -> EmailMessage:
        tried.append(recipient)
        return compose()

    asof.mark_sent(data, kept_as(report.week), key)
    with Outbox(data.outbox) as outbox:
        deliveries = deliver(message_for, executives, key, settings, outbox)
    if not any(row.state in ("sent", "unknown") for row in deliveries):
        asof.unmark_sent(data, key)
    unsent = [row for row in deliveries if row.state != "sent"]
    if unsent:
        raise MeterhouseError(
            f"{key}: {len(unsent)} of {len(deliveries)} mails did not leave ({unsent[0].last_error or unsent[0].state}); "
            "run again, whoever has it is left out"
        )
    new = {row.recipient for row in deliveries} & set(tried)
    return [f"{key}: mail {at} {'sent' if row.recipient in new else 'was sent before'}"
            for at, row in enumerate(deliveries, start=1)]  # fmt: skip


def composer(report: ReportModel, domain: str) -> Callable[[], EmailMessage]:
    """Renders once; gives a function that makes a fresh message of it, since every recipient gets an own one."""
    label = report.week.label.lower()
    ids = {name: f"{name}.{label}@{domain}" for name in (*(tile.name for tile in report.tiles), "month")}
    pictures = render.pictures(report)
    text, html, pdf = render.text(report), render.html(report, lambda name: f"cid:{ids[name]}"), render.pdf(report)

    def compose() -> EmailMessage:
        message = EmailMessage(policy=default.clone(max_line_length=200))  # the subject stays on one line
        message["Subject"] = report.subject
        message["List-Id"] = f"Meterhouse weekly report <weekly-report.{domain}>"
        message.set_content(text)
        message.add_alternative(html, subtype="html")
        body = message.get_body(("html",))
        assert isinstance(body, EmailMessage)
        for name, content in pictures.items():
            body.add_related(
                content, "image", "png", cid=f"<{ids[name]}>", filename=f"{name}.png", disposition="inline"
            )
        message.add_attachment(pdf, "application", "pdf", filename=f"report-{report.week.label}.pdf")
        return message

    return compose
