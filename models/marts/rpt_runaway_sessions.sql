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
WITH rooted AS (  -- no more than decides, for few pass a limit
  SELECT
    agent,
    session_id,
    CASE WHEN started_by = 'subagent' THEN coalesce(parent_session_id, session_id) ELSE session_id END AS root_id,
    list_cost_usd
  FROM fct_sessions
  WHERE (SELECT count(*) FROM stg_limits WHERE scope = 'session') > 0
),

spent AS (
  SELECT agent, root_id, sum(list_cost_usd) AS list_cost_usd
  FROM rooted
  GROUP BY agent, root_id
),

passed AS (
  SELECT limits.limit_name, limits.limit_usd, limits.severity, spent.agent, spent.root_id, spent.list_cost_usd
  FROM spent
  INNER JOIN stg_limits AS limits ON limits.scope = 'session' AND spent.list_cost_usd > limits.limit_usd
)

SELECT
  passed.limit_name,
  passed.limit_usd,
  passed.severity,
  passed.agent,
  passed.root_id AS session_id,
  CAST(min(sessions.started_at) AS DATE) AS day,
  min(sessions.started_at) AS started_at,
  max(sessions.ended_at) AS ended_at,
  CAST(date_diff('minute', min(sessions.started_at), max(sessions.ended_at)) AS DOUBLE) / 60 AS hours,
  coalesce(max(CASE WHEN sessions.session_id = passed.root_id THEN sessions.team END), max(sessions.team)) AS team,
  coalesce(max(CASE WHEN sessions.session_id = passed.root_id THEN sessions.repository END), max(sessions.repository)) AS repository,
  CAST(sum(sessions.requests) AS BIGINT) AS requests,
  CAST(passed.list_cost_usd AS DECIMAL(38, 12)) AS list_cost_usd
FROM passed
INNER JOIN rooted ON passed.agent = rooted.agent AND passed.root_id = rooted.root_id
INNER JOIN fct_sessions AS sessions ON rooted.agent = sessions.agent AND rooted.session_id = sessions.session_id
GROUP BY passed.limit_name, passed.limit_usd, passed.severity, passed.agent, passed.root_id, passed.list_cost_usd
