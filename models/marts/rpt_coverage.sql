/*
description: >
  Which channels reported the requests of each person and agent on each day, how many witnesses the requests had, and what
  would have been missed by a view from the laptop alone or from the gateway alone. Everything but the lists may be summed.
grain: [day, person_key, agent]
kind: daily
columns:
  day: {about: "UTC day.", tests: [not_null]}
  person_key: {about: "Pseudonym of the person, or (unknown).", tests: [not_null]}
  team: "Team of the person on that day."
  agent: {about: "Product that spent it.", tests: [not_null]}
  channels: {about: "Channels that reported at least one request, in alphabetical order, joined by commas.", tests: [not_null]}
  requests: {about: "Model requests.", unit: requests, tests: ["> 0"]}
  requests_by_one: {about: "Requests with one witness.", unit: requests, tests: [">= 0"]}
  requests_by_two: {about: "Requests with two witnesses.", unit: requests, tests: [">= 0"]}
  requests_by_three: {about: "Requests with three witnesses or more.", unit: requests, tests: [">= 0"]}
  requests_by_transcript: {about: "Requests that the agent's files tell of.", unit: requests}
  requests_by_otlp: {about: "Requests that the agent exported.", unit: requests}
  requests_by_gateway: {about: "Requests that a gateway logged.", unit: requests}
  requests_by_vendor: {about: "Requests that a vendor's report lists one by one.", unit: requests}
  requests_unseen_by_laptop: {about: "Requests that neither files nor export told of.", unit: requests}
  requests_unseen_by_gateway: {about: "Requests that no gateway logged.", unit: requests}
  requests_in_disagreement: {about: "Requests whose witnesses differ on a field.", unit: requests}
  tokens: {about: "Input and output tokens.", unit: tokens}
  tokens_unseen_by_laptop: {about: "Tokens of requests unseen by the laptop.", unit: tokens}
  tokens_unseen_by_gateway: {about: "Tokens of requests unseen by gateways.", unit: tokens}
  list_cost_pico: {about: "Sum of the known list costs.", unit: "1e-12 usd"}
  list_cost_pico_unseen_by_laptop: {about: "List cost of requests unseen by the laptop.", unit: "1e-12 usd"}
  list_cost_pico_unseen_by_gateway: {about: "List cost of requests unseen by gateways.", unit: "1e-12 usd"}
checks:
  every_request_has_its_number_of_witnesses: >
    SELECT day FROM rpt_coverage WHERE requests <> requests_by_one + requests_by_two + requests_by_three
*/
WITH differing AS (
  SELECT DISTINCT request_id
  FROM int_request_disagreements
  WHERE day IN (SELECT day FROM run_days)
),

seen AS (
  SELECT
    requests.day,
    coalesce(requests.person_key, '(unknown)') AS person_key,
    requests.team,
    requests.agent,
    requests.channel_count,
    requests.channels LIKE '%transcript%' AS by_transcript,
    requests.channels LIKE '%otlp%' AS by_otlp,
    requests.channels LIKE '%gateway%' AS by_gateway,
    requests.channels LIKE '%vendor_api%' AS by_vendor,
    requests.channels LIKE '%transcript%' OR requests.channels LIKE '%otlp%' AS by_laptop,
    differing.request_id IS NOT NULL AS is_differing,
    coalesce(requests.input_tokens, 0) + coalesce(requests.output_tokens, 0) AS tokens,
    requests.list_cost_pico
  FROM fct_requests AS requests
  LEFT JOIN differing ON requests.request_id = differing.request_id
  WHERE requests.day IN (SELECT day FROM run_days)
)

SELECT
  day,
  person_key,
  max(team) AS team,
  agent,
  concat_ws(
    ',',
    CASE WHEN bool_or(by_gateway) THEN 'gateway' END,
    CASE WHEN bool_or(by_otlp) THEN 'otlp' END,
    CASE WHEN bool_or(by_transcript) THEN 'transcript' END,
    CASE WHEN bool_or(by_vendor) THEN 'vendor_api' END
  ) AS channels,
  count(*) AS requests,
  count(*) FILTER (WHERE channel_count = 1) AS requests_by_one,
  count(*) FILTER (WHERE channel_count = 2) AS requests_by_two,
  count(*) FILTER (WHERE channel_count >= 3) AS requests_by_three,
  count(*) FILTER (WHERE by_transcript) AS requests_by_transcript,
  count(*) FILTER (WHERE by_otlp) AS requests_by_otlp,
  count(*) FILTER (WHERE by_gateway) AS requests_by_gateway,
  count(*) FILTER (WHERE by_vendor) AS requests_by_vendor,
  count(*) FILTER (WHERE NOT by_laptop) AS requests_unseen_by_laptop,
  count(*) FILTER (WHERE NOT by_gateway) AS requests_unseen_by_gateway,
  count(*) FILTER (WHERE is_differing) AS requests_in_disagreement,
  CAST(sum(tokens) AS BIGINT) AS tokens,
  CAST(coalesce(sum(tokens) FILTER (WHERE NOT by_laptop), 0) AS BIGINT) AS tokens_unseen_by_laptop,
  CAST(coalesce(sum(tokens) FILTER (WHERE NOT by_gateway), 0) AS BIGINT) AS tokens_unseen_by_gateway,
  CAST(sum(list_cost_pico) AS BIGINT) AS list_cost_pico,
  CAST(sum(list_cost_pico) FILTER (WHERE NOT by_laptop) AS BIGINT) AS list_cost_pico_unseen_by_laptop,
  CAST(sum(list_cost_pico) FILTER (WHERE NOT by_gateway) AS BIGINT) AS list_cost_pico_unseen_by_gateway
FROM seen
GROUP BY day, person_key, agent
