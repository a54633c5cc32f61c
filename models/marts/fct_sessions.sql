/*
description: One row per session of an agent, with what it did and cost. Sub-agent threads with an own id are rows with a parent.
grain: [agent, session_id]
kind: table
columns:
  agent: {about: "Product that ran.", tests: [not_null]}
  session_id: {about: "The agent's own id of the run.", tests: [not_null]}
  parent_session_id: "Session it was forked, resumed or spawned from."
  started_by: "fresh, resume, fork or subagent, where the file tells."
  day: {about: "UTC day of the first thing seen.", tests: [not_null]}
  started_at: {about: "First thing seen.", tests: [not_null]}
  ended_at: {about: "Last thing seen so far.", tests: [not_null]}
  agent_version: "Latest version seen."
  surface: "Where the agent ran."
  person_key: "Pseudonym of the person."
  team: "Team of the person on the first day."
  division: "Division of the team on the first day."
  repository: "Repository worked in; of several, the first in alphabetical order."
  branch: "Branch worked on; of several, the first in alphabetical order."
  requests: {about: "Model requests.", unit: requests, tests: [">= 0"]}
  failed_requests: {about: "Requests with a status other than ok.", unit: requests}
  prompts: {about: "Prompts, but for those that a schedule, CI or an agent gave.", unit: prompts}
  tool_calls: {about: "Tool calls.", unit: calls}
  failed_tool_calls: {about: "Tool calls that ran and did not succeed; refused ones are not here.", unit: calls}
  lines_added: {about: "Lines added by accepted changes.", unit: lines}
  lines_removed: {about: "Lines removed by accepted changes.", unit: lines}
  input_tokens: {about: "Everything read, cache included.", unit: tokens}
  output_tokens: {about: "Everything written.", unit: tokens}
  unpriced_requests: {about: "Successful requests without a list price; their cost is missing below.", unit: requests}
  list_cost_pico: {about: "Sum of the known list costs; NULL when none is known.", unit: "1e-12 usd"}
  list_cost_usd: {about: "The same in dollars, exact.", unit: usd}
*/
WITH things AS (
  SELECT agent, session_id, started_at AS seen_at, agent_version, surface, person_key, repository, branch, parent_session_id,
    CAST(NULL AS VARCHAR) AS started_by
  FROM fct_requests
  UNION ALL
  SELECT agent, session_id, prompted_at, NULL, NULL, person_key, repository, NULL, NULL, NULL FROM fct_prompts
  UNION ALL
  SELECT agent, session_id, called_at, agent_version, NULL, person_key, repository, branch, NULL, NULL FROM fct_tool_calls
  UNION ALL
  SELECT agent, session_id, occurred_at, agent_version, surface, person_key, repository, branch, parent_session_id, started_by
  FROM lake_session
),

sessions AS (
  SELECT
    agent, session_id, min(seen_at) AS started_at, max(seen_at) AS ended_at, max(agent_version) AS agent_version,
    max(surface) AS surface, max(person_key) AS person_key, min(repository) AS repository, min(branch) AS branch,
    max(parent_session_id) AS parent_session_id, coalesce(max(CASE WHEN parent_session_id IS NOT NULL THEN started_by END), max(started_by)) AS started_by
  FROM things
  GROUP BY agent, session_id
),

spent AS (
  SELECT
    agent, session_id, count(*) AS requests, count(*) FILTER (WHERE status <> 'ok') AS failed_requests,
    CAST(sum(input_tokens) AS BIGINT) AS input_tokens, CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
    count(*) FILTER (WHERE status = 'ok' AND list_cost_pico IS NULL) AS unpriced_requests,
    CAST(sum(list_cost_pico) AS BIGINT) AS list_cost_pico
  FROM fct_requests
  GROUP BY agent, session_id
),

asked AS (
  SELECT agent, session_id, count(*) AS prompts FROM fct_prompts WHERE origin IN ('person', 'unknown') GROUP BY agent, session_id
),

called AS (
  SELECT agent, session_id, count(*) AS tool_calls, count(*) FILTER (WHERE NOT success AND decision IS DISTINCT FROM 'reject') AS failed_tool_calls
  FROM fct_tool_calls
  GROUP BY agent, session_id
),

changed AS (
  SELECT agent, session_id, CAST(sum(lines_added) AS BIGINT) AS lines_added, CAST(sum(lines_removed) AS BIGINT) AS lines_removed
  FROM fct_code_changes
  WHERE decision = 'accept'
  GROUP BY agent, session_id
)

SELECT
  sessions.agent,
  sessions.session_id,
  sessions.parent_session_id,
  sessions.started_by,
  CAST(sessions.started_at AS DATE) AS day,
  sessions.started_at,
  sessions.ended_at,
  sessions.agent_version,
  sessions.surface,
  sessions.person_key,
  people.team,
  teams.division,
  sessions.repository,
  sessions.branch,
  coalesce(spent.requests, 0) AS requests,
  coalesce(spent.failed_requests, 0) AS failed_requests,
  coalesce(asked.prompts, 0) AS prompts,
  coalesce(called.tool_calls, 0) AS tool_calls,
  coalesce(called.failed_tool_calls, 0) AS failed_tool_calls,
  coalesce(changed.lines_added, 0) AS lines_added,
  coalesce(changed.lines_removed, 0) AS lines_removed,
  spent.input_tokens,
  spent.output_tokens,
  coalesce(spent.unpriced_requests, 0) AS unpriced_requests,
  spent.list_cost_pico,
  CAST(CAST(spent.list_cost_pico AS DECIMAL(19, 0)) * CAST('0.000000000001' AS DECIMAL(13, 12)) AS DECIMAL(38, 12)) AS list_cost_usd
FROM sessions
LEFT JOIN spent ON sessions.agent = spent.agent AND sessions.session_id = spent.session_id
LEFT JOIN asked ON sessions.agent = asked.agent AND sessions.session_id = asked.session_id
LEFT JOIN called ON sessions.agent = called.agent AND sessions.session_id = called.session_id
LEFT JOIN changed ON sessions.agent = changed.agent AND sessions.session_id = changed.session_id
LEFT JOIN dim_people AS people
  ON sessions.person_key = people.person_key AND CAST(sessions.started_at AS DATE) >= people.valid_from
  AND CAST(sessions.started_at AS DATE) < people.valid_to
LEFT JOIN dim_teams AS teams
  ON people.team = teams.team AND CAST(sessions.started_at AS DATE) >= teams.valid_from
  AND CAST(sessions.started_at AS DATE) < teams.valid_to
