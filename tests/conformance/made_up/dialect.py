"""How the made-up agent exports: one log record an answer, those included that its files do not tell."""

from meterhouse_collector.events import Draft

NAME = "sketchpad"


def claims(record):
    """By its service."""
    return record.service == NAME


def read(record, here):
    """One request a record."""
    told = record.attributes
    session, answer = told.ident("sketch.session"), told.ident("sketch.answer")
    if record.at and session and answer:
        tokens = {"input_tokens": told.count("sketch.read"), "output_tokens": told.count("sketch.wrote")}
        values = {"agent": NAME, "session_id": session, "status": "ok", "response_id": answer, **tokens}
        yield Draft("model_request", (session, answer), record.at, {**values, "model": told.ident("sketch.model")})
