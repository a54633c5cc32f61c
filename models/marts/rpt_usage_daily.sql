/*
description: Requests, tokens and list cost by day, team, agent and model. Everything here may be summed.
grain: [day, team, division, agent, model]
kind: daily
columns:
  day: {about: "UTC day.", tests: [not_null]}
  team: {about: "Team, or (no team) when the person is not on the roster.", tests: [not_null]}
  division: {about: "Division, or (no team).", tests: [not_null]}
  agent: {about: "Product that spent it.", tests: [not_null]}
  model: {about: "Model as reported, or (unknown).", tests: [not_null]}
  requests: {about: "Model requests.", unit: requests, tests: ["> 0"]}
  failed_requests: {about: "Requests with a status other than ok.", unit: requests}
  unpriced_requests: {about: "Successful requests without a list price.", unit: requests}
  input_tokens: {about: "Everything read, cache included.", unit: tokens}
  cache_read_tokens: {about: "Part of input read from the cache.", unit: tokens}
  output_tokens: {about: "Everything written.", unit: tokens}
  list_cost_pico: {about: "Sum of the known list costs; NULL when none is known.", unit: "1e-12 usd"}
  list_cost_usd: {about: "The same in dollars, exact.", unit: usd}
*/
WITH summed AS (
  SELECT
    day,
    coalesce(team, '(no team)') AS team,
    coalesce(division, '(no team)') AS division,
    agent,
    coalesce(model, '(unknown)') AS model,
    count(*) AS requests,
    count(*) FILTER (WHERE status <> 'ok') AS failed_requests,
    count(*) FILTER (WHERE status = 'ok' AND list_cost_pico IS NULL) AS unpriced_requests,
    CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
    CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
    CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
    CAST(sum(list_cost_pico) AS BIGINT) AS list_cost_pico
  FROM fct_requests
  WHERE day IN (SELECT day FROM run_days)
  GROUP BY ALL
)

SELECT
  *,
  CAST(CAST(list_cost_pico AS DECIMAL(19, 0)) * CAST('0.000000000001' AS DECIMAL(13, 12)) AS DECIMAL(38, 12)) AS list_cost_usd
FROM summed
