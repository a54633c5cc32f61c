/*
description: Sessions that cost more than a session limit of governance.yaml. Sub-agents with an id of their own count with their parent.
grain: [limit_name, agent, session_id]
kind: table
columns:
  limit_name: {about: "Limit as named in governance.yaml.", tests: [not_null]}
  limit_usd: {about: "What one session may cost.", unit: usd, tests: ["> 0"]}
  severity: {about: "Severity of the limit.", tests: [not_null]}
  agent: {about: "Product that ran.", tests: [not_null]}
  session_id: {about: "The agent's own id of the run.", tests: [not_null]}
  day: {about: "UTC day on which it started.", tests: [not_null]}
  started_at: {about: "First thing seen.", tests: [not_null]}
  ended_at: {about: "Last thing seen so far.", tests: [not_null]}
  hours: {about: "From the first to the last thing seen.", unit: hours, tests: [">= 0"]}
  team: "Team of the person on the first day."
  repository: "Repository worked in."
  requests: {about: "Model requests.", unit: requests, tests: ["> 0"]}
  list_cost_usd: {about: "Sum of the known list costs.", unit: usd, tests: ["> 0"]}
*/
WITH rooted AS (
  SELECT
    *,
    CASE WHEN started_by = 'subagent' THEN coalesce(parent_session_id, session_id) ELSE session_id END AS root_id
  FROM fct_sessions
),

spent AS (
  SELECT
    agent,
    root_id AS session_id,
    min(started_at) AS started_at,
    max(ended_at) AS ended_at,
    coalesce(max(CASE WHEN session_id = root_id THEN team END), max(team)) AS team,
    coalesce(max(CASE WHEN session_id = root_id THEN repository END), max(repository)) AS repository,
    sum(requests) AS requests,
    sum(list_cost_usd) AS list_cost_usd
  FROM rooted
  GROUP BY agent, root_id
)

SELECT
  limits.limit_name,
  limits.limit_usd,
  limits.severity,
  spent.agent,
  spent.session_id,
  CAST(spent.started_at AS DATE) AS day,
  spent.started_at,
  spent.ended_at,
  CAST(date_diff('minute', spent.started_at, spent.ended_at) AS DOUBLE) / 60 AS hours,
  spent.team,
  spent.repository,
  CAST(spent.requests AS BIGINT) AS requests,
  CAST(spent.list_cost_usd AS DECIMAL(38, 12)) AS list_cost_usd
FROM spent
INNER JOIN stg_limits AS limits ON limits.scope = 'session' AND spent.list_cost_usd > limits.limit_usd
