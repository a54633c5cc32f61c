"""Lines through the load's parser and through the strict decoder alone, which must say the same."""

from meterhouse.parse import judge, parse
from meterhouse.segments import Body


def body(lines) -> Body:
    data = b"\n".join(lines) + b"\n"
    return Body(data, 0, len(data), 1, len(lines))


def parsed(*lines: bytes):
    """What the load makes of these lines; the plain ones among them never reach the strict decoder, which must say the same."""
    found = parse([body(lines)])
    assert told(found) == told(judge(body(lines).lines()))
    return found


def told(found):
    """Everything that was parsed, in order."""
    rows = {kind: [{key: value for key, value in row.items() if value is not None} for row in frame.to_dicts()]
            for kind, frame in found.frames.items()}  # fmt: skip
    return rows, found.rejected, found.parked
