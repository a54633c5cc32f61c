/*
description: Successful requests that could not be priced, by day, provider, model and reason. Empty is the aim.
grain: [day, provider, model, price_status]
kind: daily
columns:
  day: {about: "UTC day.", tests: [not_null]}
  provider: {about: "Provider as reported, or (unknown).", tests: [not_null]}
  model: {about: "Model as reported, or (unknown).", tests: [not_null]}
  price_status: {about: "Why there is no price.", tests: [not_null]}
  requests: {about: "Requests concerned.", unit: requests, tests: ["> 0"]}
  input_tokens: {about: "Their input.", unit: tokens}
  output_tokens: {about: "Their output.", unit: tokens}
*/
SELECT
  day,
  coalesce(provider, '(unknown)') AS provider,
  coalesce(model, '(unknown)') AS model,
  price_status,
  count(*) AS requests,
  CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
  CAST(sum(output_tokens) AS BIGINT) AS output_tokens
FROM fct_requests
WHERE status = 'ok' AND list_cost_pico IS NULL AND day IN (SELECT day FROM run_days)
GROUP BY ALL
