/*
description: >
  One row per change that a tool call made or proposed. Sum lines only where decision is accept. Edits made by shell commands
  are not here: use fct_commits.
grain: [change_id]
kind: daily
columns:
  change_id: {about: "The agent's id of the change, made unique.", tests: [not_null]}
  day: {about: "UTC day of the change.", tests: [not_null]}
  changed_at: {about: "Earliest time at which a channel saw it.", tests: [not_null]}
  session_id: {about: "Session that owns it.", tests: [not_null]}
  agent: {about: "Product that made the change.", tests: [not_null]}
  agent_version: "Version of the agent."
  person_key: "Pseudonym of the person."
  team: "Team of the person on that day."
  division: "Division of the team on that day."
  repository: "Repository as host/owner/name."
  branch: "Branch checked out."
  is_subagent: "Whether a sub-agent made the change."
  tool_call_id: "The call that made it."
  tool_name: "Tool that made it."
  decision: {about: "accept or reject; a newer collector may know more.", tests: [not_null]}
  operation: "create, update or delete."
  language: "Programming language by file type."
  lines_added: {about: "Lines added, counted as wc -l does; proposed ones where decision is reject.", unit: lines, tests: [">= 0"]}
  lines_removed: {about: "Lines removed, likewise.", unit: lines, tests: [">= 0"]}
  agent_lines_added: {about: "Lines added by the agent's own counter.", unit: lines}
  agent_lines_removed: {about: "Lines removed by the agent's own counter.", unit: lines}
  is_user_modified: "Whether the person changed the proposal before it was applied."
*/
WITH placed AS (
  SELECT
    *,
    min(day) OVER (PARTITION BY change_id) AS first_day,
    min(occurred_at) OVER (PARTITION BY change_id) AS changed_at,
    row_number() OVER (
      PARTITION BY change_id
      ORDER BY coalesce(session_started_at, occurred_at),
        CASE WHEN parent_session_id IS NOT NULL AND NOT coalesce(is_subagent, false) THEN 1 ELSE 0 END, session_id, occurred_at, event_id
    ) AS owner_rank
  FROM stg_code_changes
),

days AS (
  SELECT change_id, list_sort(list_distinct(list(day))) AS days_seen
  FROM placed
  GROUP BY change_id
  HAVING min(day) < max(day)
)

SELECT
  placed.change_id,
  placed.first_day AS day,
  placed.changed_at,
  placed.session_id,
  placed.agent,
  placed.agent_version,
  placed.person_key,
  people.team,
  teams.division,
  placed.repository,
  placed.branch,
  coalesce(placed.is_subagent, false) AS is_subagent,
  placed.tool_call_id,
  placed.tool_name,
  placed.decision,
  placed.operation,
  placed.language,
  placed.lines_added,
  placed.lines_removed,
  placed.agent_lines_added,
  placed.agent_lines_removed,
  coalesce(placed.is_user_modified, false) AS is_user_modified,
  days.days_seen
FROM placed
LEFT JOIN days ON placed.change_id = days.change_id
LEFT JOIN dim_people AS people
  ON placed.person_key = people.person_key AND placed.first_day >= people.valid_from AND placed.first_day < people.valid_to
LEFT JOIN dim_teams AS teams
  ON people.team = teams.team AND placed.first_day >= teams.valid_from AND placed.first_day < teams.valid_to
WHERE placed.owner_rank = 1 AND placed.first_day IN (SELECT day FROM run_days)
