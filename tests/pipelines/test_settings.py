"""Settings: a variable wins over the file, a mistake is named with its place, a secret is never shown."""

import pytest

from meterhouse.errors import SettingsError
from meterhouse.settings import FILE, Settings, read_settings
from pipelines import raw  # noqa: TID251 - the folder of these tests


def written(tmp_path, text: str):
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    return tmp_path


def test_without_file_and_variables_everything_has_its_default(tmp_path):
    assert read_settings({}, tmp_path) == Settings()


def test_a_variable_wins_over_the_file(tmp_path):
    folder = written(tmp_path, '[storage]\nraw = "folder"\ndata = "data"\n[mail]\nport = 25\n')
    settings = read_settings({"METERHOUSE_STORAGE_RAW": "s3://bucket", "METERHOUSE_MAIL_PASSWORD": "secret"}, folder)
    assert (settings.storage_raw, settings.storage_data, settings.mail_port) == ("s3://bucket", "data", 25)
    assert settings.mail_password == "secret"


def test_the_file_may_lie_elsewhere(tmp_path):
    path = tmp_path / "other.toml"
    path.write_text('[storage]\nraw = "there"\n')
    assert read_settings({"METERHOUSE_SETTINGS": str(path)}, tmp_path / "nowhere").storage_raw == "there"


BROKEN = {
    "no TOML": ("[storage\n", "cannot be read"),
    "unknown section": ("[stores]\nraw = 'x'\n", "unknown setting [stores] raw; see docs/settings.md"),
    "unknown key": ("[storage]\nrow = 'x'\n", "unknown setting [storage] row"),
    "key outside a section": ("raw = 'x'\n", "unknown setting"),
    "password in the file": ("[mail]\npassword = 'canary-7f3a'\n", "unknown setting [mail] password"),
    "number for a text": ("[storage]\nraw = 5\n", "[storage] raw: is no text; put it in quotes"),
    "port that is none": ("[mail]\nport = 99999\n", "[mail] port: is '99999'; give a port number"),
    "port that is a truth": ("[mail]\nport = true\n", "[mail] port: is 'True'; give a port number"),
    "unknown security": ("[mail]\nsecurity = 'ssl'\n", "it is starttls, tls or none"),
    "webhooks that are no list": ("[alerts]\nwebhooks = 5\n", "is no list of texts"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_one_line_that_names_file_and_key(tmp_path, what):
    text, message = BROKEN[what]
    folder = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        read_settings({}, folder)
    assert str(caught.value).startswith(str(folder / FILE))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "canary" not in str(caught.value)


def test_the_command_says_it_the_same_way(tmp_path):
    path = written(tmp_path, "[storage]\nrow = 'x'\n") / FILE
    done = raw.command("run", "--plain", METERHOUSE_SETTINGS=str(path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"meterhouse: {path}: unknown setting [storage] row; see docs/settings.md\n"


def test_a_file_that_was_named_and_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.toml: cannot be read .* unset METERHOUSE_SETTINGS"):
        read_settings({"METERHOUSE_SETTINGS": str(tmp_path / "none.toml")})


@pytest.mark.parametrize("value", ["", "0", "65536", "-1", "25.0", "smtp"])
def test_a_port_in_a_variable_is_checked_too(tmp_path, value):
    with pytest.raises(SettingsError, match=r"METERHOUSE_MAIL_PORT: is .*; give a port number"):
        read_settings({"METERHOUSE_MAIL_PORT": value}, tmp_path)


def test_a_setting_that_is_needed_says_all_places_it_can_be_set_in(tmp_path):
    with pytest.raises(
        SettingsError,
        match=r"mail_host: is not set; set METERHOUSE_MAIL_HOST or `host` under \[mail\] in meterhouse.toml",
    ):
        read_settings({}, tmp_path).require("mail_host")


def test_a_secret_is_not_shown_when_settings_are_printed():
    shown = repr(Settings(mail_password="canary-7f3a", alerts_webhooks=("slack://canary-8e2b",)))
    assert "canary" not in shown
