"""The vocabulary of the event contract: every field, defined once and used by name in `events.py`.

A field may be added here, never renamed, retyped or given another unit: that is contract version 2.
Nothing that can hold content (prompt, answer, code, diff, path, command, argument, e-mail, token) may become a field.
"""

from dataclasses import dataclass
from typing import Optional

COUNT_MAX = 10**10  # above this a token or line count is a defect, not a measurement


@dataclass(frozen=True)
class Field:
    """One field: `type` is id, text, texts, count, integer, boolean, instant, day, share or money (decimal string, USD)."""

    name: str
    type: str
    about: str
    unit: Optional[str] = None
    personal: bool = False


def _fields(*rows: Field) -> "dict[str, Field]":
    names = [row.name for row in rows]
    assert len(names) == len(set(names)), "a field is defined twice"
    return {row.name: row for row in rows}


F = Field

FIELDS = _fields(
    # the envelope: on every event
    F("schema_version", "count", "Major version of this contract; 1."),
    F("kind", "id", "What happened; one of the kinds of this contract."),
    F(
        "event_id",
        "id",
        "Deterministic identity: 128 bits of SHA-256 over source, session, native id and counts. The same file read twice gives the same ids.",
    ),
    F("occurred_at", "instant", "When it happened, by the clock of the machine that recorded it."),
    F("source", "id", "The collector module that read it, such as claude_code or git."),
    F("channel", "id", "The kind of witness: transcript, otlp, gateway, vendor_api, git, forge or collector."),
    F(
        "native_id",
        "id",
        "The id that the agent or provider gave to this very thing; copies in forks and resumes carry the same one.",
    ),
    F("person_key", "id", "Pseudonym of the person, from the organisation's settings; never an e-mail.", personal=True),
    # the session it belongs to
    F("agent", "id", "The product that spends, such as claude_code, codex or gemini_cli."),
    F("agent_version", "id", "The agent's own version."),
    F("surface", "id", "Where the agent ran: cli, sdk-cli, exec, vscode, desktop and the like."),
    F("session_id", "id", "The agent's own id of one run; a fork or sub-agent thread has its own."),
    F("parent_session_id", "id", "The session that this one was forked, resumed or spawned from."),
    F(
        "session_started_at",
        "instant",
        "Earliest time found in the session's own file; decides who owns history that a fork copied.",
    ),
    F("started_by", "id", "How a session began: fresh, resume, fork or subagent."),
    F("repository", "id", "Repository as host/owner/name, from its remote; no credentials, no local path."),
    F("branch", "text", "Branch checked out when it happened; only its class (main or other) at privacy level counts."),
    F("is_subagent", "boolean", "True when a sub-agent did it on behalf of another thread."),
    F("prompt_id", "id", "The agent's id of the prompt that led to it."),
    F("origin", "id", "Who started it: person, schedule, ci or agent."),
    # model requests
    F("provider", "id", "Who served the model, in OpenTelemetry's words: anthropic, openai, gcp.gemini and the like."),
    F("model", "id", "Model name as the provider or agent wrote it."),
    F("response_id", "id", "The provider's id of the response (msg_…, resp_…)."),
    F("provider_request_id", "id", "The provider's id of the request (req_…)."),
    F("status", "id", "ok, error, rate_limited, refused or cancelled."),
    F("http_status", "count", "HTTP status of the final answer."),
    F("error_class", "id", "Class of the failure in the agent's or provider's own word; never its message."),
    F("attempt", "count", "Number of this attempt, from 1."),
    F("input_tokens", "count", "Everything the model read, cache reads and writes included.", "tokens"),
    F("cache_read_tokens", "count", "Part of input_tokens read from the cache.", "tokens"),
    F("cache_write_tokens", "count", "Part of input_tokens written to the cache.", "tokens"),
    F("cache_write_5m_tokens", "count", "Part of cache_write_tokens kept for five minutes.", "tokens"),
    F("cache_write_1h_tokens", "count", "Part of cache_write_tokens kept for one hour.", "tokens"),
    F("output_tokens", "count", "Everything the model wrote, reasoning included.", "tokens"),
    F("reasoning_tokens", "count", "Part of output_tokens spent on reasoning.", "tokens"),
    F("web_search_requests", "count", "Web searches the provider ran and bills.", "requests"),
    F("service_tier", "id", "Service tier that the provider reports, such as standard, priority or flex."),
    F("speed", "id", "standard or fast."),
    F("processing", "id", "realtime or batch."),
    F("inference_geo", "id", "Region restriction that changes the price, such as us."),
    F("effort", "id", "Reasoning effort asked for."),
    F("query_source", "id", "main, subagent or auxiliary (titles, routing, compaction)."),
    F(
        "is_output_estimated",
        "boolean",
        "True when the file holds only the streaming placeholder, so output_tokens is too low.",
    ),
    F("is_fallback", "boolean", "True when the observation was found only inside a progress record of another thread."),
    F("duration_ms", "count", "How long it took.", "ms"),
    F(
        "is_duration_upper_bound",
        "boolean",
        "True when duration_ms is the gap between two records, so waiting for a person is included.",
    ),
    F("time_to_first_token_ms", "count", "Time to the first token.", "ms"),
    F(
        "reported_cost_usd",
        "money",
        "Cost that the agent, gateway or vendor itself stated; compared, never added.",
        "USD",
    ),
    F("reported_cost_basis", "id", "client_estimate, gateway_list, provider_invoiced or plan_included."),
    # tool calls and code
    F("tool_call_id", "id", "The id that ties call, result and code change together."),
    F("tool_name", "id", "Built-in tool by name; mcp_tool or custom_tool for all others."),
    F("tool_key", "id", "Hash of the name of an MCP or custom tool, so that one can be told from another."),
    F(
        "success",
        "boolean",
        "True when the tool did what it was asked; a shell command that exits other than 0 did not.",
    ),
    F("exit_code", "integer", "Exit code of a command."),
    F("decision", "id", "accept or reject: what became of the request to run it or of the proposed change."),
    F("decision_source", "id", "Who decided: config, hook, user or policy."),
    F("operation", "id", "create, update or delete."),
    F("language", "id", "Programming language by file type, from a closed list."),
    F("lines_added", "count", "Lines added, counted as wc -l does.", "lines"),
    F("lines_removed", "count", "Lines removed, counted as wc -l does.", "lines"),
    F("agent_lines_added", "count", "Lines added by the agent's own counter, when it differs in kind.", "lines"),
    F("agent_lines_removed", "count", "Lines removed by the agent's own counter.", "lines"),
    F("is_user_modified", "boolean", "True when the person changed the proposal before it was applied."),
    # git and forge
    F("commit_sha", "id", "Full commit id."),
    F("committed_at", "instant", "Committer time of the commit."),
    F("parent_count", "count", "Number of parents; 2 or more is a merge."),
    F("files_changed", "count", "Files touched.", "files"),
    F("binary_files", "count", "Binary files touched; they have no lines.", "files"),
    F("ai_agents", "texts", "Agents that the commit message, author or committer names, by our allow-list."),
    F("ai_evidence", "texts", "How they are named: trailer, author, committer, message_line or session_link."),
    F("is_revert", "boolean", "True when the message says that it reverts another commit."),
    F("reverts_sha", "id", "The commit it says it reverts."),
    F("patch_key", "id", "git patch-id: the same change under another commit id."),
    F("pull_request_number", "count", "Number of the pull or merge request."),
    F("pull_request_state", "id", "open, merged or closed."),
    F("opened_at", "instant", "When the pull request was opened."),
    F("ready_at", "instant", "When it was ready for review."),
    F("merged_at", "instant", "When it was merged."),
    F("closed_at", "instant", "When it was closed."),
    F("head_sha", "id", "Head commit."),
    F("merge_sha", "id", "Merge or squash commit."),
    F("is_bot", "boolean", "True when the actor is an automation account."),
    F("reviewer_key", "id", "Pseudonym of the reviewer.", personal=True),
    F("review_state", "id", "approved, changes_requested, commented or dismissed."),
    F("ci_run_id", "id", "The CI system's id of the run."),
    F("ci_conclusion", "id", "success, failure, cancelled, skipped and the like."),
    # limits, policy, fleet
    F("limit_name", "id", "Name of the limit."),
    F("limit_window_minutes", "count", "Length of the limit's window.", "minutes"),
    F("limit_used_share", "share", "Used part of the limit, 0 to 1, as a decimal string."),
    F("limit_resets_at", "instant", "When the limit resets."),
    F("plan", "id", "Subscription plan."),
    F("policy_id", "id", "Policy that decided."),
    F("policy_verdict", "id", "allow, deny or ask."),
    F("item_kind", "id", "Inventory: agent, mcp_server, credential or setting."),
    F("item_name", "id", "Inventory: name from a closed list."),
    F("item_version", "id", "Inventory: version."),
    F("item_count", "count", "Inventory: how many."),
    F("collector_version", "id", "Version of the collector."),
    F("platform", "id", "linux, darwin or windows."),
    F("files_watched", "count", "Session files known to the collector.", "files"),
    F("files_unreadable", "count", "Session files it could not read, such as archives without a decoder.", "files"),
    F("lines_skipped", "count", "Lines of session files that were not JSON or not understood.", "lines"),
    F("events_waiting", "count", "Events spooled and not yet shipped.", "events"),
    # money from bills
    F("billing_account", "id", "Account that the vendor bills."),
    F("billing_period_start", "day", "First day of the period."),
    F("billing_period_end", "day", "Day after the last day of the period."),
    F(
        "charge_category",
        "id",
        "usage, purchase, tax, credit or adjustment (FOCUS); amounts of a credit are to be subtracted.",
    ),
    F("service_name", "id", "Billed service."),
    F("sku", "id", "Billed unit's name."),
    F("quantity", "money", "Billed quantity as a decimal string."),
    F("billed_cost_usd", "money", "Amount on the bill; credits are their own lines.", "USD"),
    F("seat_state", "id", "active, pending or cancelled."),
    F("last_active_at", "instant", "Last activity that the vendor reports for the seat."),
    # what a gateway knows of a request
    F("gateway", "id", "Gateway that carried the request, such as litellm."),
    F("gateway_call_id", "id", "The gateway's own id of the call."),
    F("gateway_team", "text", "Team as the gateway names it."),
    F("gateway_key", "text", "Alias of the gateway key that was used; never the key."),
    F("model_requested", "id", "Model that the client asked for, when that is known beside the model that answered."),
    F("tags", "texts", "Tags that the caller gave at the gateway, without user agents."),
    F("end_user_key", "id", "Pseudonym of the end user that the caller named at the gateway.", personal=True),
    F("limited_by", "id", "Who refused because of a limit: provider or gateway."),
    F("limit_dimension", "id", "What was limited: requests, tokens, concurrent_requests, budget or max_iterations."),
    F("is_gateway_cache_hit", "boolean", "True when the gateway answered from its own cache and asked no provider."),
    F("retry_count", "count", "Attempts before the final answer."),
    F("is_subscription", "boolean", "True when a subscription pays, so that no invoice names this request."),
    # vendors' reports
    F("report", "id", "Vendor's report that it comes from, such as anthropic_usage or cursor_events."),
    F("fetched_at", "instant", "When the report was fetched; of one window only the newest fetch counts."),
    F(
        "window_start",
        "instant",
        "Begin of the window that this covers; in vendors' reports a UTC day, which one fetch replaces whole.",
    ),
    F("window_end", "instant", "End of that window, exclusive; of a running total the moment of the look."),
    F("row_count", "count", "Rows that the fetch of this window gave.", "rows"),
    F("is_billable", "boolean", "False when the vendor says that it charges nothing for it."),
    F("list_amount_usd", "money", "Amount before discounts, as the vendor states it.", "USD"),
    F("amount_usd", "money", "Amount after discounts and before credits, as the vendor states it.", "USD"),
    F("cost_type", "id", "What the amount is for: tokens, web_search, code_execution and the like."),
    F("token_type", "id", "Class of tokens that the amount is for."),
    F("context_window", "id", "Size class of the context that changes the price, such as 0-200k."),
    F("workspace", "id", "The vendor's id of the workspace or project."),
    F("api_key_id", "id", "The vendor's id of the API key; never the key."),
    F("product", "id", "Product of the vendor that used it, such as claude_code."),
    F("data_complete_to", "instant", "Until when the vendor says that its data are complete."),
    F("requests", "count", "Model requests in the bucket.", "requests"),
    F("sessions", "count", "Sessions in the bucket.", "sessions"),
    F("prompts", "count", "Prompts in the bucket.", "prompts"),
    F("commits", "count", "Commits in the bucket.", "commits"),
    F("pull_requests", "count", "Pull requests in the bucket.", "pull requests"),
    F("edits_accepted", "count", "Proposed edits that people or settings accepted.", "edits"),
    F("edits_rejected", "count", "Proposed edits that were rejected.", "edits"),
    F("lines_suggested", "count", "Lines that the agent proposed to add.", "lines"),
    F("ai_lines_added", "count", "Lines of the commit that the vendor attributes to its agent.", "lines"),
    F("ai_lines_removed", "count", "Removed lines of the commit that the vendor attributes to its agent.", "lines"),
    # harnesses and fleet
    F("external_session_id", "id", "The agent's own session id, where a harness keeps one of its own beside it."),
    F("launch_id", "id", "Start of the agent through `meterhouse-collector exec`; ties what it did to that start."),
    F("item_state", "id", "Inventory: state or rule, from a closed list."),
    F("age_days", "count", "Inventory: age, rounded down to a bucket.", "days"),
    F("agents", "texts", "Agents whose files or settings were found on the machine."),
    F("spool_bytes", "count", "Bytes that wait in the spool.", "bytes"),
)
