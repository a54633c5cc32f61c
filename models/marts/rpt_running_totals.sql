/*
description: >
  Sessions of harnesses that keep a running total, one row each, beside what fct_requests knows of the same session or of the agent
  that ran inside: compared, never added. Where is_seen_as_requests is false, this total is all there is of that session's use.
grain: [agent, session_id]
kind: table
columns:
  agent: {about: "Harness that keeps the total.", tests: [not_null]}
  session_id: {about: "The harness's own id of the session.", tests: [not_null]}
  parent_session_id: "Session that spawned this one."
  external_session_id: "Session of the agent that ran inside."
  first_day: {about: "UTC day of the first look that found growth.", tests: [not_null]}
  last_day: {about: "UTC day of the last look that found growth.", tests: [not_null]}
  person_key: "Pseudonym of the person."
  team: "Team of the person at the last look."
  input_tokens: {about: "Everything read, by the harness.", unit: tokens}
  output_tokens: {about: "Everything written, by the harness.", unit: tokens}
  reported_cost_usd: {about: "Cost by the harness's own prices.", unit: usd}
  resets: {about: "How often the total had fallen.", tests: [">= 0"]}
  is_seen_as_requests: "Whether requests are known; NULL where the harness does not name the inner session."
  seen_agent: "Agent whose requests they are."
  seen_requests: {about: "Requests known.", unit: requests, tests: [">= 0"]}
  seen_input_tokens: {about: "Everything read, by these requests.", unit: tokens}
  seen_output_tokens: {about: "Everything written, by these requests.", unit: tokens}
  seen_list_cost_usd: {about: "List cost of these requests.", unit: usd}
*/
WITH totals AS (
  SELECT
    agent,
    session_id,
    max(parent_session_id) AS parent_session_id,
    max(external_session_id) AS external_session_id,
    min(day) AS first_day,
    max(day) AS last_day,
    max(person_key) AS person_key,
    max(team) AS team,
    CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
    CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
    CAST(sum(reported_cost_usd) AS DECIMAL(38, 12)) AS reported_cost_usd,
    count(DISTINCT CASE WHEN is_reset THEN window_end END) AS resets,
    bool_or(is_seen_as_requests) AS is_seen_as_requests
  FROM fct_usage_deltas
  GROUP BY agent, session_id
),

tied AS (
  SELECT
    totals.agent AS harness, totals.session_id AS harness_session, requests.agent, requests.input_tokens,
    requests.output_tokens, requests.list_cost_usd
  FROM fct_requests AS requests
  INNER JOIN totals
    ON requests.session_id = totals.external_session_id
      OR (requests.session_id = totals.session_id AND requests.agent = totals.agent)
),

seen AS (
  SELECT
    harness,
    harness_session,
    min(agent) AS seen_agent,
    count(*) AS seen_requests,
    CAST(sum(input_tokens) AS BIGINT) AS seen_input_tokens,
    CAST(sum(output_tokens) AS BIGINT) AS seen_output_tokens,
    CAST(sum(list_cost_usd) AS DECIMAL(38, 12)) AS seen_list_cost_usd
  FROM tied
  GROUP BY harness, harness_session
)

SELECT
  totals.*,
  seen.seen_agent,
  coalesce(seen.seen_requests, 0) AS seen_requests,
  seen.seen_input_tokens,
  seen.seen_output_tokens,
  seen.seen_list_cost_usd
FROM totals
LEFT JOIN seen ON totals.agent = seen.harness AND totals.session_id = seen.harness_session
