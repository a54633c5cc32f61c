"""What several dialects say in the same way: an HTTP status as the contract's words, a tool by name or by key."""

from typing import Any, Dict, FrozenSet, Optional

_RATE_LIMITED = 429
_ERRORS = 400


def status_of(code: Optional[int], is_error: bool = True) -> Dict[str, Any]:
    """Status of a request by its HTTP status; a limit that nobody else claims is the provider's."""
    if code is None or code < _ERRORS:
        return {"status": "error" if is_error else "ok", "http_status": code}
    if code == _RATE_LIMITED:
        return {"status": "rate_limited", "http_status": code, "limited_by": "provider"}
    return {"status": "error", "http_status": code}


def tool_of(name: Optional[str], built_in: FrozenSet[str], is_mcp: bool, here: Any) -> Dict[str, Any]:
    """A built-in tool by name, any other as a class and a hash: its name may be anybody's."""
    if name in built_in and not is_mcp:
        return {"tool_name": name, "tool_key": None}
    is_known = name not in (None, "mcp_tool", "custom_tool")  # a name that the agent hid already has no key
    return {"tool_name": "mcp_tool" if is_mcp or name == "mcp_tool" else "custom_tool",
            "tool_key": here.tool_key(name) if is_known else None}  # fmt: skip


def call_id_of(call_id: Optional[str], name: Optional[str], tool: Dict[str, Any], here: Any) -> Optional[str]:
    """Ids that an engine made of a tool's name are hashed when the name is."""
    return here.tool_key(call_id) if call_id and tool["tool_key"] and name and name in call_id else call_id
