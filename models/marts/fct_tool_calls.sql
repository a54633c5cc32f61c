/*
description: One row per tool call of an agent, counted once, with its outcome where a channel saw one.
grain: [tool_call_key]
kind: daily
columns:
  tool_call_key: {about: "The agent's id of the call, made unique.", tests: [not_null]}
  day: {about: "UTC day of the call.", tests: [not_null]}
  called_at: {about: "Earliest time at which a channel saw it.", tests: [not_null]}
  session_id: {about: "Session that owns it.", tests: [not_null]}
  agent: {about: "Product that made the call.", tests: [not_null]}
  agent_version: "Version of the agent."
  person_key: "Pseudonym of the person."
  team: "Team of the person on that day."
  repository: "Repository as host/owner/name."
  branch: "Branch checked out."
  is_subagent: "Whether a sub-agent made the call."
  tool_call_id: "The agent's id of the call."
  tool_name: {about: "Built-in tool by name; mcp_tool or custom_tool for all others.", tests: [not_null]}
  tool_key: "Hash of the name of an MCP or custom tool."
  success: "Whether the tool did what it was asked; NULL when no channel saw the outcome."
  exit_code: "Exit code of a command."
  decision: "accept or reject; NULL when nobody recorded one."
  decision_source: "Who decided."
  error_class: "Class of the failure."
  duration_ms: {about: "Duration.", unit: ms, tests: [">= 0"]}
  is_duration_upper_bound: "Whether waiting for a person is included in the duration."
  channels: {about: "Witnesses, in alphabetical order, joined by commas.", tests: [not_null]}
*/
WITH repeated AS (
  SELECT call_key FROM stg_tool_calls GROUP BY call_key HAVING count(*) > 1
),

placed AS (
  SELECT
    *,
    min(day) OVER (PARTITION BY call_key) AS first_day,
    min(occurred_at) OVER (PARTITION BY call_key) AS called_at,
    row_number() OVER (
      PARTITION BY call_key
      ORDER BY coalesce(session_started_at, occurred_at),
        CASE WHEN parent_session_id IS NOT NULL AND NOT coalesce(is_subagent, false) THEN 1 ELSE 0 END, session_id, occurred_at, event_id
    ) AS owner_rank,
    row_number() OVER (
      PARTITION BY call_key
      ORDER BY CASE WHEN success IS NULL THEN 1 ELSE 0 END, CASE WHEN duration_ms IS NULL THEN 1 ELSE 0 END, occurred_at, event_id
    ) AS outcome_rank
  FROM stg_tool_calls
  WHERE call_key IN (SELECT call_key FROM repeated)
),

gathered AS (
  SELECT
    call_key,
    array_to_string(list_sort(list_distinct(list(channel))), ',') AS channels,
    bool_and(success) AS success,
    max(exit_code) AS exit_code,
    max(decision) AS decision,
    max(decision_source) AS decision_source,
    max(error_class) AS error_class,
    list_sort(list_distinct(list(day))) AS days_seen
  FROM placed
  GROUP BY call_key
),

calls AS (
  SELECT
    owner.call_key, owner.first_day, owner.called_at, owner.session_id, owner.agent, owner.agent_version, owner.person_key,
    owner.repository, owner.branch, owner.is_subagent, owner.tool_call_id, owner.tool_name, owner.tool_key, gathered.success,
    gathered.exit_code, gathered.decision, gathered.decision_source, gathered.error_class, outcome.duration_ms,
    outcome.is_duration_upper_bound, gathered.channels, gathered.days_seen
  FROM placed AS owner
  INNER JOIN placed AS outcome ON owner.call_key = outcome.call_key AND outcome.outcome_rank = 1
  INNER JOIN gathered ON owner.call_key = gathered.call_key
  WHERE owner.owner_rank = 1
  UNION ALL
  -- what was told once needs no choice, and is most
  SELECT
    call_key, day, occurred_at, session_id, agent, agent_version, person_key,
    repository, branch, is_subagent, tool_call_id, tool_name, tool_key, success,
    exit_code, decision, decision_source, error_class, duration_ms,
    is_duration_upper_bound, channel, NULL
  FROM stg_tool_calls
  WHERE call_key NOT IN (SELECT call_key FROM repeated)
)

SELECT
  calls.call_key AS tool_call_key,
  calls.first_day AS day,
  calls.called_at,
  calls.session_id,
  calls.agent,
  calls.agent_version,
  calls.person_key,
  people.team,
  calls.repository,
  calls.branch,
  coalesce(calls.is_subagent, false) AS is_subagent,
  calls.tool_call_id,
  calls.tool_name,
  calls.tool_key,
  calls.success,
  calls.exit_code,
  calls.decision,
  calls.decision_source,
  calls.error_class,
  calls.duration_ms,
  calls.is_duration_upper_bound,
  calls.channels,
  calls.days_seen
FROM calls
LEFT JOIN dim_people AS people
  ON calls.person_key = people.person_key AND calls.first_day >= people.valid_from AND calls.first_day < people.valid_to
WHERE calls.first_day IN (SELECT day FROM run_days)
