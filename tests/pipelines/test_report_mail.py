"""The report as mail: a real server receives it whole, each executive once."""

import pytest

from meterhouse.errors import MeterhouseError, SettingsError
from meterhouse.paths import DataDir
from meterhouse.report import build, send
from meterhouse.settings import Settings
from pipelines import raw  # noqa: TID251 - tests/pipelines
from pipelines.postbox import Postbox, running  # noqa: TID251
from pipelines.report_parts import Page  # noqa: TID251

WEEK = "2026-W46"
RULES = "version: 1\nrecipients: {executives: [ceo@example.com, cfo@example.com]}\n"


@pytest.fixture
def data(sample_data, tmp_path):
    """The sample's snapshot with an outbox of its own."""
    (tmp_path / "data/snapshots").mkdir(parents=True)
    (tmp_path / "data/snapshots/current.duckdb").symlink_to(sample_data.current.resolve())
    return DataDir(tmp_path / "data")


@pytest.fixture
def bucket(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/governance.yaml").write_text(RULES)
    return str(tmp_path / "raw")


@pytest.fixture
def box():
    with running(Postbox()) as box:
        yield box


def settings(box):
    return Settings(mail_host="localhost", mail_port=box.port, mail_security="none", mail_sender="reports@example.com")


def test_each_executive_gets_the_report_once_however_often_it_is_sent(data, bucket, box):
    first = send(data, WEEK, bucket, settings(box))
    second = send(data, WEEK, bucket, settings(box))
    assert box.recipients == ["ceo@example.com", "cfo@example.com"]
    assert first == ["report-2026-W46: mail 1 sent", "report-2026-W46: mail 2 sent"]
    assert second == ["report-2026-W46: mail 1 was sent before", "report-2026-W46: mail 2 was sent before"]


def test_the_mail_holds_the_same_parts_as_the_folder(data, bucket, box, tmp_path):
    send(data, WEEK, bucket, settings(box))
    files = {path.suffix: path.read_bytes() for path in build(data, WEEK, tmp_path / "out")}
    message = box.received[0][1]
    assert message.get_body(("plain",)).get_content().replace("\r\n", "\n") == files[".txt"].decode()
    (pdf,) = message.iter_attachments()
    assert (pdf.get_content_type(), pdf.get_filename()) == ("application/pdf", "report-2026-W46.pdf")
    assert pdf.get_content() == files[".pdf"]


def test_the_html_finds_its_pictures_within_the_mail(data, bucket, box):
    send(data, WEEK, bucket, settings(box))
    message = box.received[0][1]
    html = message.get_body(("html",)).get_content()
    pictures = {part["Content-ID"]: part for part in message.walk() if part.get_content_type() == "image/png"}
    assert {f"<{image['src'].removeprefix('cid:')}>" for image in Page(html).images} == set(pictures)
    assert all(part.get_content().startswith(b"\x89PNG") for part in pictures.values())
    structure = [part.get_content_type() for part in message.walk() if not part.get_content_type().startswith("image")]
    assert structure == ["multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html",
                         "application/pdf"]  # fmt: skip


def test_the_headers_say_that_a_machine_wrote_it_and_which_list_it_is(data, bucket, box):
    send(data, WEEK, bucket, settings(box))
    one, two = (message for _, message in box.received)
    assert one["Auto-Submitted"] == "auto-generated"
    assert one["List-Id"] == "Meterhouse weekly report <weekly-report.example.com>"
    assert one["Subject"].startswith("AI coding, 2026-W46: $")
    assert len(one["Subject"]) <= 78
    assert one["To"] == "ceo@example.com"
    assert one["Message-ID"] != two["Message-ID"]


def test_a_provisional_report_does_not_keep_the_complete_one_from_going_out(data, bucket, box):
    assert send(data, "2026-W47", bucket, settings(box))[0] == "report-2026-W47-provisional: mail 1 sent"


def test_a_refused_recipient_fails_the_command_and_only_that_mail_is_tried_again(data, bucket, box):
    box.refused.add("ceo@example.com")
    with pytest.raises(MeterhouseError, match="1 of 2 mails did not leave"):
        send(data, WEEK, bucket, settings(box))
    box.refused.clear()
    assert send(data, WEEK, bucket, settings(box))[0] == "report-2026-W46: mail 1 sent"
    assert box.recipients == ["cfo@example.com", "ceo@example.com"]


def test_nobody_to_send_to_is_an_error_that_names_the_key(data, bucket, box, tmp_path):
    (tmp_path / "raw/governance.yaml").write_text("version: 1\n")
    with pytest.raises(SettingsError, match=r"recipients\.executives"):
        send(data, WEEK, bucket, settings(box))


def test_the_command_needs_a_sender_and_says_where_to_set_it(data, bucket):
    done = raw.command("report", "send", "--data", str(data.root), "--week", WEEK, "--raw", bucket)
    assert done.returncode == 1
    assert "METERHOUSE_MAIL_SENDER" in done.stderr
