"""Every form of a git remote gives the same name, and nothing of a credential or local path comes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse_collector.repository import normalise_remote

REMOTES = {
    "https://github.com/acme/widgets.git": "github.com/acme/widgets",
    "https://github.com/acme/widgets/": "github.com/acme/widgets",
    "https://jdoe:CANARY-7f3a@GitHub.com:8443/acme/widgets": "github.com/acme/widgets",
    "https://github.com/acme/widgets?token=CANARY-7f3a#CANARY-7f3a": "github.com/acme/widgets",
    "http://git.example.internal/team/widgets.git": "git.example.internal/team/widgets",
    "git@github.com:acme/widgets.git": "github.com/acme/widgets",
    "org-42@github.com:acme/widgets": "github.com/acme/widgets",
    "build:acme/widgets.git": "build/acme/widgets",
    "ssh://git@gitlab.example.com:2222/group/sub/widgets.git": "gitlab.example.com/group/sub/widgets",
    "git@ssh.dev.azure.com:v3/org/project/widgets": "ssh.dev.azure.com/v3/org/project/widgets",
    "git://git.example.com/acme/widgets": "git.example.com/acme/widgets",
    "/home/CANARY-7f3a/src/widgets": None,
    "../widgets": None,
    "C:/Users/CANARY-7f3a/widgets": None,
    "C:\\Users\\CANARY-7f3a\\widgets": None,
    "\\\\server\\share\\widgets": None,
    "file:///home/CANARY-7f3a/widgets": None,
    "dev@build:/home/CANARY-7f3a/widgets.git": None,
    "ssh://build/~CANARY-7f3a/widgets.git": None,
    "https://github.com/acme": None,
    "https://github.com/acme/../CANARY-7f3a": None,
    "https://[::1/acme/widgets": None,
    "": None,
    None: None,
}


@pytest.mark.parametrize(("remote", "name"), REMOTES.items())
def test_a_remote_is_named_by_host_owner_and_name(remote, name):
    assert normalise_remote(remote) == name


@given(st.text() | st.integers() | st.from_regex(r"\A(https://)?[^/]*@?[^/]*[:/][^ ]*\Z"))
def test_no_value_makes_it_fail_and_no_user_name_survives(value):
    name = normalise_remote(value)
    assert name is None or ("@" not in name and ":" not in name and name.count("/") >= 2)
