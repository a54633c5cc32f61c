"""An agent that exists only in tests: one line a model request, with state, documents and lines that raise."""

from meterhouse_collector.events import Draft

NAME = "diary"
MARKERS = (b'"tokens":', b'"boom":')
SUFFIXES = (".jsonl", ".json", ".zst")


def find(home, env):
    """Everything below ~/.diary, or below DIARY_HOME."""
    root = home / ".diary" if "DIARY_HOME" not in env else home / env["DIARY_HOME"]
    yield from (path for path in root.rglob("*") if path.suffix in SUFFIXES)


def read(record, state, here):
    """`attempt` counts the lines before, so that an event tells whether state survived."""
    state["lines"] = state.get("lines", 0) + 1
    if "boom" in record:
        raise ValueError(record["text"])
    values = {
        "agent": NAME,
        "session_id": here.path.name.split(".")[0],
        "native_id": record["id"],
        "status": "ok",
        "attempt": state["lines"],
        "output_tokens": record["tokens"],
        "repository": here.repository(record.get("cwd"), record["at"]),
        "branch": record.get("branch"),
        **record.get("extra", {}),
    }
    yield Draft("model_request", (values["session_id"], record["id"], record["tokens"]), record["at"], values)


def explode(document):
    """The turns of a document."""
    yield from document["turns"]
