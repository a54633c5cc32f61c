"""Which response ids are identities: engines that run locally give short ones, and soon the same one again."""

from typing import Any, Dict, List, Optional

from meterhouse_collector.json_values import ident

_KEPT = 1000


def unused(response_id: Any, state: Dict[str, Any]) -> Optional[str]:
    """The id, unless an earlier response of the same file had it."""
    seen: List[str] = state.setdefault("responses", [])
    known = ident(response_id)
    if known is None or known in seen:
        return None
    state["responses"] = [*seen, known][-_KEPT:]
    return known
