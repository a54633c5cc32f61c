"""Our own small answers of vendors, with a canary in every field that could hold content, and every trap of units."""

CANARY = "CANARY-7f3a"
EMAIL = f"{CANARY}@example.com"
DAY, NEXT = "2026-11-02", "2026-11-03"


def usage(model="claude-opus-4-5", **more):
    """One result of Anthropic's usage report."""
    return {"uncached_input_tokens": 10, "cache_read_input_tokens": 100, "output_tokens": 7, "model": model,
            "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
            "server_tool_use": {"web_search_requests": 2}, "workspace_id": None, "api_key_id": "apikey_1", **more}  # fmt: skip


def cost(amount="123.45", **more):
    """One result of Anthropic's cost report: cents, as text."""
    return {"amount": amount, "currency": "USD", "cost_type": "tokens", "token_type": "output_tokens",
            "description": f"{CANARY} Usage", "model": "claude-opus-4-5", "workspace_id": "wrkspc_1", **more}  # fmt: skip


def claude_code(customer="api", amount=123, day=DAY):
    """One record of Anthropic's Claude Code report: cents, as a number."""
    return {
        "date": f"{day}T00:00:00Z", "actor": {"type": "user_actor", "email_address": EMAIL}, "customer_type": customer,
        "core_metrics": {"num_sessions": 3, "lines_of_code": {"added": 50, "removed": 20}, "commits_by_claude_code": 2,
                         "pull_requests_by_claude_code": 1},
        "tool_actions": {"edit_tool": {"accepted": 9, "rejected": 1}, "write_tool": {"accepted": 0, "rejected": 0}},
        "model_breakdown": [{"model": "claude-opus-4-5", "estimated_cost": {"amount": amount, "currency": "USD"},
                             "tokens": {"input": 10, "output": 7, "cache_read": 100, "cache_creation": 5}}],
    }  # fmt: skip


def analytics(what, day=DAY, actor=EMAIL, **values):
    """One record of Anthropic's analytics; without an actor it is what nobody is charged with."""
    group = {
        "actor": {"email_address": actor, "name": CANARY} if actor else None,
        "model": "m",
        "product": "claude_code",
    }
    return {"starting_at": f"{day}T00:00:00Z", "group": group, what: values}


def event(timestamp="1793620800123", **more):
    """One usage event of Cursor, 2026-11-02 12:00 UTC."""
    return {"timestamp": timestamp, "model": "composer-2", "kind": "Usage-based", "userEmail": EMAIL, "isChargeable": True,
            "isTokenBasedCall": True, "chargedCents": 123.4, "tokenUsage": {"inputTokens": 10, "outputTokens": 7,
            "cacheWriteTokens": 5, "cacheReadTokens": 100, "totalCents": 100.05}, "note": CANARY, **more}  # fmt: skip


def commit(sha="a" * 40, at=f"{DAY}T10:00:00.000Z", **more):
    """One commit that Cursor attributes lines of to itself."""
    return {"commitHash": sha, "userId": "user_1", "userEmail": EMAIL, "repoName": "acme/web", "branchName": "topic",
            "totalLinesAdded": 20, "totalLinesDeleted": 4, "tabLinesAdded": 1, "tabLinesDeleted": 0,
            "composerLinesAdded": 15, "composerLinesDeleted": 3, "message": CANARY, "commitTs": at, "createdAt": at,
            **more}  # fmt: skip


def member(**more):
    """What one person spent in Cursor's billing cycle."""
    return {"userId": 1, "email": EMAIL, "name": CANARY, "spendCents": 521, "overallSpendCents": 909, **more}


def editor(**more):
    """What one person did in Cursor on a day."""
    return {"userId": 1, "day": DAY, "date": 1793577600000, "email": EMAIL, "isActive": True, "totalLinesAdded": 30,
            "acceptedLinesAdded": 0, "totalAccepts": 4, "totalRejects": 1, "agentRequests": 6, **more}  # fmt: skip


def part(row, *names):
    """Some fields of an event; None where it has none."""
    return {name: row.get(name) for name in names}
