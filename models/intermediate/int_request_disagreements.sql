/*
description: >
  Fields on which the witnesses of one request differ. Each channel speaks with its best observation; what a channel does not
  know is no disagreement. Which value the request got is in fct_requests.
grain: [request_id, field]
kind: daily
placed_by: int_request_links
public: true
columns:
  request_id: {about: "The request.", tests: [not_null]}
  field: {about: "Field that differs.", tests: [not_null]}
  day: {about: "UTC day of the request.", tests: [not_null]}
  witnesses: {about: "channel=value of every witness that knows the field, in alphabetical order, joined by semicolons.", tests: [not_null]}
  difference: {about: "Largest less smallest value of a number.", unit: tokens}
*/
WITH links AS (
  SELECT placed.event_id, placed.request_id, placed.day
  FROM int_request_links AS placed
  INNER JOIN run_days ON placed.day = run_days.day  -- a join tells how few they are
  WHERE NOT placed.is_only_witness
),

best AS (
  SELECT
    links.request_id AS linked_id, links.day AS linked_day, seen.channel, seen.input_tokens, seen.cache_read_tokens,
    seen.cache_write_tokens, seen.output_tokens, seen.reasoning_tokens, seen.web_search_requests, seen.model, seen.status, seen.agent,
    keys.match_session
  FROM links
  INNER JOIN stg_observations AS seen ON links.event_id = seen.event_id
  INNER JOIN stg_observation_keys AS keys ON links.event_id = keys.event_id
  QUALIFY row_number() OVER (
    PARTITION BY links.request_id, seen.channel
    ORDER BY CASE WHEN seen.status = 'ok' THEN 0 ELSE 1 END, CASE WHEN seen.output_tokens IS NULL THEN 1 ELSE 0 END,
      coalesce(seen.output_tokens, -1) DESC, seen.is_output_estimated, seen.is_fallback, seen.occurred_at, seen.event_id
  ) = 1
),

-- most agree in everything; only those that do not are worth a row a field
several AS (
  SELECT * FROM best
  WHERE linked_id IN (
    SELECT linked_id
    FROM best
    GROUP BY linked_id
    HAVING min(input_tokens) <> max(input_tokens) OR min(cache_read_tokens) <> max(cache_read_tokens)
      OR min(cache_write_tokens) <> max(cache_write_tokens) OR min(output_tokens) <> max(output_tokens)
      OR min(reasoning_tokens) <> max(reasoning_tokens) OR min(web_search_requests) <> max(web_search_requests)
      OR min(model) <> max(model) OR min(status) <> max(status) OR min(agent) <> max(agent)
      OR min(match_session) <> max(match_session)
  )
),

told AS (
  SELECT linked_id, linked_day, channel, 'input_tokens' AS field, CAST(input_tokens AS VARCHAR) AS value, input_tokens AS number FROM several
  UNION ALL
  SELECT linked_id, linked_day, channel, 'cache_read_tokens', CAST(cache_read_tokens AS VARCHAR), cache_read_tokens FROM several
  UNION ALL
  SELECT linked_id, linked_day, channel, 'cache_write_tokens', CAST(cache_write_tokens AS VARCHAR), cache_write_tokens FROM several
  UNION ALL
  SELECT linked_id, linked_day, channel, 'output_tokens', CAST(output_tokens AS VARCHAR), output_tokens FROM several
  UNION ALL
  SELECT linked_id, linked_day, channel, 'reasoning_tokens', CAST(reasoning_tokens AS VARCHAR), reasoning_tokens FROM several
  UNION ALL
  SELECT linked_id, linked_day, channel, 'web_search_requests', CAST(web_search_requests AS VARCHAR), web_search_requests FROM several
  UNION ALL
  SELECT linked_id, linked_day, channel, 'model', model, NULL FROM several
  UNION ALL
  SELECT linked_id, linked_day, channel, 'status', status, NULL FROM several
  UNION ALL
  SELECT linked_id, linked_day, channel, 'agent', agent, NULL FROM several
  UNION ALL
  SELECT linked_id, linked_day, channel, 'session_id', match_session, NULL FROM several
)

SELECT
  linked_id AS request_id,
  field,
  linked_day AS day,
  array_to_string(list_sort(list(concat(channel, '=', value))), ';') AS witnesses,
  max(number) - min(number) AS difference
FROM told
WHERE value IS NOT NULL
GROUP BY linked_id, field, linked_day
HAVING min(value) <> max(value)
