/*
description: >
  Growth of the running totals that harnesses such as Omnigent keep for their sessions, between one look at a session and the next,
  by model. A harness tells nothing of single requests, so this is never added to fct_requests: where is_seen_as_requests is true,
  the agent inside told of the same use; rpt_running_totals puts both side by side. A growth lies on the day of the look that found it.
grain: [agent, session_id, window_start, window_end, model_key]
kind: table
columns:
  agent: {about: "Harness that keeps the total.", tests: [not_null]}
  session_id: {about: "The harness's own id of the session; a sub-agent's total is its own and not in its parent's.", tests: [not_null]}
  window_start: {about: "Look before this one, or where the total began.", tests: [not_null]}
  window_end: {about: "Look that found the growth; it happened between the two.", tests: [not_null]}
  model_key: {about: "The model, or (unknown) for growth that the harness books on no model or on models that do not add up.", tests: [not_null]}
  day: {about: "UTC day of window_end.", tests: [not_null]}
  model: "Model as reported."
  parent_session_id: "Session that spawned this one."
  external_session_id: "Session of the agent that ran inside, in that agent's own words."
  surface: "How the harness ran the agent."
  is_subagent: "Whether a sub-agent used it."
  person_key: "Pseudonym of the person."
  team: "Team of the person on that day."
  repository: "Repository as host/owner/name."
  branch: "Branch checked out."
  input_tokens: {about: "Everything read, cache included.", unit: tokens, tests: [">= 0"]}
  cache_read_tokens: {about: "Part of input read from the cache.", unit: tokens, tests: [">= 0"]}
  cache_write_tokens: {about: "Part of input written to the cache.", unit: tokens, tests: [">= 0"]}
  output_tokens: {about: "Everything written.", unit: tokens, tests: [">= 0"]}
  reported_cost_usd: {about: "Cost by the harness's own prices; NULL when it has none for the model.", unit: usd, tests: [">= 0"]}
  is_reset: {about: "Whether the total had fallen, so that it was counted anew from here.", tests: [not_null]}
  is_seen_as_requests: "Whether fct_requests has requests of this session or of the agent inside; NULL where the harness does not name the inner session."
checks:
  growth_is_never_negative: >
    SELECT session_id FROM fct_usage_deltas WHERE least(input_tokens, output_tokens, reported_cost_usd) < 0
*/
WITH copies AS (
  -- the same look by another collector, or after a lost spool, has the same id, maybe on another day
  SELECT *, row_number() OVER (PARTITION BY event_id ORDER BY window_end, received_at) AS copy
  FROM lake_usage_delta
),

parts AS (
  SELECT
    agent,
    session_id,
    coalesce(window_start, window_end) AS series,
    coalesce(native_id, CAST(window_end AS VARCHAR)) AS look,
    coalesce(model, '(unknown)') AS model_key,
    max(model) AS model,
    min(window_end) AS looked_at,
    min(day) AS day,
    max(parent_session_id) AS parent_session_id,
    max(external_session_id) AS external_session_id,
    max(surface) AS surface,
    bool_or(is_subagent) AS is_subagent,
    max(person_key) AS person_key,
    max(repository) AS repository,
    max(branch) AS branch,
    CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
    CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
    CAST(sum(cache_write_tokens) AS BIGINT) AS cache_write_tokens,
    CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
    CAST(sum(reported_cost_usd) AS DECIMAL(38, 12)) AS reported_cost_usd
  FROM copies
  WHERE copy = 1
  GROUP BY agent, session_id, coalesce(window_start, window_end), coalesce(native_id, CAST(window_end AS VARCHAR)),
    coalesce(model, '(unknown)')
),

wholes AS (
  SELECT
    agent, session_id, series, look,
    min(looked_at) AS looked_at,
    min(day) AS day,
    max(parent_session_id) AS parent_session_id,
    max(external_session_id) AS external_session_id,
    max(surface) AS surface,
    bool_or(is_subagent) AS is_subagent,
    max(person_key) AS person_key,
    max(repository) AS repository,
    max(branch) AS branch,
    CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
    CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
    CAST(sum(cache_write_tokens) AS BIGINT) AS cache_write_tokens,
    CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
    CAST(sum(reported_cost_usd) AS DECIMAL(38, 12)) AS reported_cost_usd
  FROM parts
  GROUP BY agent, session_id, series, look
),

following AS (
  SELECT
    *,
    lag(look) OVER looks AS look_before,
    lag(looked_at) OVER looks AS looked_before,
    lag(input_tokens) OVER looks AS input_before,
    lag(cache_read_tokens) OVER looks AS cache_read_before,
    lag(cache_write_tokens) OVER looks AS cache_write_before,
    lag(output_tokens) OVER looks AS output_before,
    lag(reported_cost_usd) OVER looks AS cost_before
  FROM wholes
  WINDOW looks AS (PARTITION BY agent, session_id, series ORDER BY looked_at, look)
),

grown AS (
  SELECT
    *,
    coalesce(input_tokens, 0) < coalesce(input_before, 0) OR coalesce(output_tokens, 0) < coalesce(output_before, 0)
      OR coalesce(reported_cost_usd, 0) < coalesce(cost_before, 0) AS is_reset
  FROM following
),

differences AS (
  SELECT
    grown.agent, grown.session_id, grown.series, grown.look, parts.model_key, parts.model,
    parts.input_tokens - coalesce(before.input_tokens, 0) AS input_tokens,
    parts.cache_read_tokens - coalesce(before.cache_read_tokens, 0) AS cache_read_tokens,
    parts.cache_write_tokens - coalesce(before.cache_write_tokens, 0) AS cache_write_tokens,
    parts.output_tokens - coalesce(before.output_tokens, 0) AS output_tokens,
    parts.reported_cost_usd - coalesce(before.reported_cost_usd, 0) AS reported_cost_usd
  FROM grown
  INNER JOIN parts
    ON grown.agent = parts.agent AND grown.session_id = parts.session_id AND grown.series = parts.series
      AND grown.look = parts.look
  LEFT JOIN parts AS before
    ON grown.agent = before.agent AND grown.session_id = before.session_id AND grown.series = before.series
      AND grown.look_before = before.look AND parts.model_key = before.model_key AND NOT grown.is_reset
),

-- a harness may book use on another model afterwards; then only the whole's growth is known
attributable AS (
  SELECT grown.agent, grown.session_id, grown.series, grown.look
  FROM grown
  INNER JOIN differences
    ON grown.agent = differences.agent AND grown.session_id = differences.session_id AND grown.series = differences.series
      AND grown.look = differences.look
  GROUP BY grown.agent, grown.session_id, grown.series, grown.look
  HAVING coalesce(min(least(
      differences.input_tokens, differences.cache_read_tokens, differences.cache_write_tokens, differences.output_tokens,
      differences.reported_cost_usd
    )), 0) >= 0
    AND coalesce(sum(differences.input_tokens), 0)
    = max(coalesce(grown.input_tokens, 0) - CASE WHEN grown.is_reset THEN 0 ELSE coalesce(grown.input_before, 0) END)
    AND coalesce(sum(differences.output_tokens), 0)
    = max(coalesce(grown.output_tokens, 0) - CASE WHEN grown.is_reset THEN 0 ELSE coalesce(grown.output_before, 0) END)
    AND coalesce(sum(differences.reported_cost_usd), 0)
    = max(coalesce(grown.reported_cost_usd, 0) - CASE WHEN grown.is_reset THEN 0 ELSE coalesce(grown.cost_before, 0) END)
),

rows_ AS (
  SELECT differences.*
  FROM differences
  INNER JOIN attributable
    ON differences.agent = attributable.agent AND differences.session_id = attributable.session_id
      AND differences.series = attributable.series AND differences.look = attributable.look
  UNION ALL
  SELECT
    grown.agent, grown.session_id, grown.series, grown.look, '(unknown)' AS model_key, CAST(NULL AS VARCHAR) AS model,
    grown.input_tokens - CASE WHEN grown.is_reset THEN 0 ELSE coalesce(grown.input_before, 0) END AS input_tokens,
    -- parts of what was read may be booked elsewhere, too: unknown rather than negative
    CASE WHEN grown.is_reset THEN grown.cache_read_tokens
      WHEN grown.cache_read_tokens >= coalesce(grown.cache_read_before, 0)
        THEN grown.cache_read_tokens - coalesce(grown.cache_read_before, 0) END AS cache_read_tokens,
    CASE WHEN grown.is_reset THEN grown.cache_write_tokens
      WHEN grown.cache_write_tokens >= coalesce(grown.cache_write_before, 0)
        THEN grown.cache_write_tokens - coalesce(grown.cache_write_before, 0) END AS cache_write_tokens,
    grown.output_tokens - CASE WHEN grown.is_reset THEN 0 ELSE coalesce(grown.output_before, 0) END AS output_tokens,
    grown.reported_cost_usd - CASE WHEN grown.is_reset THEN 0 ELSE coalesce(grown.cost_before, 0) END AS reported_cost_usd
  FROM grown
  LEFT JOIN attributable
    ON grown.agent = attributable.agent AND grown.session_id = attributable.session_id
      AND grown.series = attributable.series AND grown.look = attributable.look
  WHERE attributable.look IS NULL
),

named AS (
  SELECT session_id FROM lake_usage_delta
  UNION
  SELECT external_session_id FROM lake_usage_delta WHERE external_session_id IS NOT NULL
),

own AS (
  SELECT DISTINCT days.agent, days.session_id
  FROM fct_session_days AS days
  INNER JOIN named ON days.session_id = named.session_id  -- few of all sessions
  WHERE days.requests > 0
),

inner_ AS (SELECT DISTINCT session_id FROM own)

SELECT
  rows_.agent,
  rows_.session_id,
  coalesce(grown.looked_before, rows_.series) AS window_start,
  grown.looked_at AS window_end,
  rows_.model_key,
  grown.day,
  rows_.model,
  grown.parent_session_id,
  grown.external_session_id,
  grown.surface,
  grown.is_subagent,
  grown.person_key,
  people.team,
  grown.repository,
  grown.branch,
  rows_.input_tokens,
  rows_.cache_read_tokens,
  rows_.cache_write_tokens,
  rows_.output_tokens,
  CAST(rows_.reported_cost_usd AS DECIMAL(38, 12)) AS reported_cost_usd,
  grown.is_reset,
  CASE
    WHEN own.session_id IS NOT NULL OR inner_.session_id IS NOT NULL THEN TRUE
    WHEN grown.external_session_id IS NULL AND grown.surface LIKE '%-native%' THEN NULL
    ELSE FALSE
  END AS is_seen_as_requests
FROM rows_
INNER JOIN grown
  ON rows_.agent = grown.agent AND rows_.session_id = grown.session_id AND rows_.series = grown.series AND rows_.look = grown.look
LEFT JOIN own ON rows_.agent = own.agent AND rows_.session_id = own.session_id
LEFT JOIN inner_ ON grown.external_session_id = inner_.session_id
LEFT JOIN dim_people AS people
  ON grown.person_key = people.person_key AND grown.day >= people.valid_from AND grown.day < people.valid_to
WHERE coalesce(rows_.input_tokens, 0) + coalesce(rows_.output_tokens, 0) + coalesce(rows_.reported_cost_usd, 0) > 0
