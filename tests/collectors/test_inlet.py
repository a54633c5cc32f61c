"""Events without a session file: known by what they say, durable before they are acknowledged."""

import pytest

from collectors.laptop import Laptop  # noqa: TID251 - tests/collectors
from meterhouse_collector.events import Draft
from meterhouse_collector.inlet import Inlet
from meterhouse_collector.privacy import Publisher
from meterhouse_collector.spool import open_spool


@pytest.fixture
def laptop(tmp_path):
    return Laptop(tmp_path)


def draft(number, **more):
    values = {"agent": "pushed", "session_id": "s", "native_id": f"call-{number}", "status": "ok", **more}
    return Draft("model_request", ("s", number), "2026-10-01T00:00:00Z", values)


def push(laptop, *drafts, commit=True):
    spool = open_spool(str(laptop.spool), 1 << 30)
    inlet = Inlet(spool, Publisher("p-1", "names", None), "pushed", "otlp")
    try:
        taken = [inlet.take(one) for one in drafts]
        if commit:
            inlet.commit()
    finally:
        spool.close()
    return taken


def test_what_a_sender_repeats_is_taken_once_also_in_another_process(laptop):
    assert push(laptop, draft(1), draft(2), draft(1)) == [True, True, False]
    assert push(laptop, draft(2), draft(3)) == [False, True]
    laptop.once()
    assert laptop.ids() == ["call-1", "call-2", "call-3"]
    assert {event["channel"] for event in laptop.events()} == {"otlp"}


def test_what_was_not_committed_was_never_acknowledged(laptop):
    push(laptop, draft(1), commit=False)
    assert push(laptop, draft(1)) == [True]


def test_a_draft_that_breaks_the_contract_is_dropped_and_counted(laptop):
    assert push(laptop, draft(1, prompt="text"), draft(2)) == [False, True]
    laptop.once()
    assert laptop.ids() == ["call-2"]
    assert laptop.dropped() == {"contract": 1}


def test_a_draft_may_name_its_own_person_or_nobody(laptop):
    push(laptop, draft(1, person_key="p-2"), draft(2, person_key=None), draft(3))
    laptop.once()
    assert [event.get("person_key") for event in laptop.events()] == ["p-2", None, "p-1"]
