"""Mail against a real SMTP server: each recipient once, whatever the server does."""

from email.message import EmailMessage

import pytest

from meterhouse import mail
from meterhouse.errors import SettingsError
from meterhouse.outbox import Outbox
from meterhouse.settings import Settings
from pipelines.postbox import LOGIN, Postbox, authenticator, certificate, running  # noqa: TID251 - tests/pipelines

THREE = ["ceo@example.com", "cfo@example.com", "cto@example.com"]


def message_for(recipient):
    message = EmailMessage()
    message["Subject"] = "Week 46"
    message.set_content(f"Grüße, {recipient}\n.\n")
    return message


def settings(box, **more):
    fixed = {"mail_host": "localhost", "mail_port": box.port, "mail_security": "none",
             "mail_sender": "meterhouse@example.com"}  # fmt: skip
    return Settings(**fixed | more)


@pytest.fixture
def send(tmp_path):
    """One whole run: opens the outbox, delivers, closes it."""

    def run(settings, recipients=THREE, key="report:2026-W46"):
        with Outbox(tmp_path / "outbox.sqlite") as outbox:
            return mail.deliver(message_for, recipients, key, settings, outbox)

    return run


def states(deliveries):
    return [row.state for row in deliveries]


def test_each_recipient_gets_one_message_of_their_own_and_a_second_run_sends_nothing(box, send):
    for _ in range(2):
        assert states(send(settings(box))) == ["sent"] * 3
    assert box.recipients == THREE
    assert len(set(box.message_ids)) == 3
    for recipient, message in box.received:
        assert (message["To"], message["From"]) == (recipient, "meterhouse@example.com")
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["Date"]
        assert message.get_content().splitlines() == [f"Grüße, {recipient}", "."]


def test_the_bytes_are_clean_for_seven_bit_servers(box, send):
    send(settings(box), THREE[:1])
    assert box.raw[0].isascii()


def test_another_key_is_another_message(box, send):
    send(settings(box), THREE[:1])
    send(settings(box), THREE[:1], "report:2026-W47")
    assert len(set(box.message_ids)) == 2


def test_of_three_recipients_only_the_refused_one_is_tried_again(box, send):
    box.refused = {"cfo@example.com"}
    first = send(settings(box))
    assert states(first) == ["sent", "failed", "sent"]
    assert first[1].last_error == "refused with 550"
    box.refused = set()
    second = send(settings(box))
    assert states(second) == ["sent"] * 3
    assert box.recipients == ["ceo@example.com", "cto@example.com", "cfo@example.com"]
    assert second[1].message_id == first[1].message_id


def test_a_server_that_asks_to_come_back_later_is_asked_again_with_the_same_message_id(box, send):
    box.script = ["451 4.3.0 come back later"]
    [first] = send(settings(box), THREE[:1])
    assert (first.state, first.last_error) == ("failed", "refused with 451")
    assert states(send(settings(box), THREE[:1])) == ["sent"]
    assert box.message_ids == [first.message_id]


@pytest.mark.parametrize("silence", ["close", "hang"])
def test_silence_after_the_message_is_unknown_and_repeated_once_with_the_same_message_id(
    box, send, silence, monkeypatch
):
    monkeypatch.setattr(mail, "TIMEOUT_S", 0.3)
    box.script = [silence] * 5
    runs = [send(settings(box), THREE[:1])[0].state for _ in range(4)]
    assert runs == ["unknown"] * 4
    assert len(box.received) == 2
    assert len(set(box.message_ids)) == 1


def test_after_an_unknown_a_success_is_final(box, send):
    box.script = ["close"]
    assert [send(settings(box), THREE[:1])[0].state for _ in range(3)] == ["unknown", "sent", "sent"]
    assert len(box.received) == 2


def test_when_the_server_is_down_nobody_else_is_tried(send):
    down = settings(Postbox(port=9))
    assert [(row.state, row.attempts) for row in send(down)] == [("failed", 1), ("due", 0), ("due", 0)]


def test_tls_and_login_work_with_the_organisations_own_authority(tmp_path, send):
    context, ca_file = certificate(tmp_path)
    password = tmp_path / "password"
    password.write_bytes(LOGIN[1] + b"\n")
    login = {"mail_user": LOGIN[0].decode(), "mail_password_file": str(password), "mail_ca_file": str(ca_file)}
    starttls = {"tls_context": context, "require_starttls": True, "auth_required": True}
    with running(Postbox(), authenticator=authenticator, **starttls) as box:
        assert states(send(settings(box, mail_security="starttls", **login))) == ["sent"] * 3
        assert box.recipients == THREE
    with running(Postbox(), authenticator=authenticator, ssl_context=context, auth_require_tls=False) as box:
        assert states(send(settings(box, mail_security="tls", **login), key="other")) == ["sent"] * 3
        [row] = send(settings(box, mail_security="tls", **login | {"mail_password": "wrong"}), THREE[:1], "third")
        assert (row.state, row.last_error) == ("failed", "SMTPAuthenticationError 535")


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_a_stranger_is_refused(tmp_path, send, security):
    context, _ = certificate(tmp_path)
    options = {"tls_context": context} if security == "starttls" else {"ssl_context": context}
    with running(Postbox(), **options) as box:
        [row] = send(settings(box, mail_security=security), THREE[:1])
        assert row.state == "failed"
        assert row.last_error.startswith("certificate refused")
        assert box.received == []


def test_a_server_without_starttls_gets_nothing(box, send):
    [row] = send(settings(box, mail_security="starttls"), THREE[:1])
    assert row.state == "failed"
    assert box.received == []


def test_a_line_end_in_a_header_is_refused(box, send):
    with pytest.raises(ValueError, match="linefeed or carriage return"):
        send(settings(box), ["ceo@example.com\r\nBcc: all@example.com"])
    assert box.received == []


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"mail_host": None}, "mail_host: is not set"),
        ({"mail_sender": None}, "mail_sender: is not set"),
        ({"mail_sender": "Meterhouse <meterhouse@example.com>"}, "mail_sender: is no plain address"),
        ({"mail_user": "me", "mail_password": "secret"}, "mail_security: 'none' would send"),
        ({"mail_user": "me", "mail_security": "tls"}, "mail_password_file: is not set"),
        ({"mail_user": "me", "mail_security": "tls", "mail_password_file": "/nowhere"}, "cannot be read"),
        ({"mail_ca_file": "/nowhere"}, "mail_ca_file: /nowhere holds no certificates"),
    ],
)
def test_a_broken_setting_is_one_clear_line(box, send, more, text):
    with pytest.raises(SettingsError, match=text) as error:
        send(settings(box, **more))
    assert "secret" not in str(error.value)
