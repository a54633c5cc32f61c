"""An answer other than 200, as an exception; its text names a field and a rule, never a value that was sent."""

from typing import Optional


class HttpError(Exception):
    """HTTP status and the reason that the sender gets; `retry_after` in seconds for what may pass."""

    def __init__(self, status: int, reason: str, retry_after: Optional[int] = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after if retry_after is not None or status not in (429, 503) else 30
