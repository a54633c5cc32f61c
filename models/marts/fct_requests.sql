/*
description: One row per model request, counted once whoever saw it, priced at the public list price of its day.
grain: [request_id]
kind: daily
placed_by: int_requests
columns:
  request_id: {about: "The provider's id of the response, or the agent's own within the session.", tests: [not_null]}
  day: {about: "UTC day on which the request was first seen.", tests: [not_null]}
  started_at: {about: "Earliest time at which a channel saw it.", tests: [not_null]}
  session_id: {about: "Session that owns it.", tests: [not_null]}
  parent_session_id: "Session that the owner was forked or spawned from."
  agent: {about: "Product that spent it: claude_code, codex, gemini_cli and others.", tests: [not_null]}
  agent_version: "Version of the agent."
  surface: "Where the agent ran."
  provider: "Who served the model."
  model: "Model as reported."
  price_model: "Model in the price table that it was priced as."
  person_key: "Pseudonym of the person."
  team: "Team of the person on that day."
  division: "Division of the team on that day."
  cost_centre: "Cost centre of the team on that day."
  repository: "Repository as host/owner/name."
  branch: "Branch checked out."
  is_subagent: "Whether a sub-agent made the request."
  query_source: "main, subagent or auxiliary."
  launch_id: "Start of the agent through the wrapper."
  model_requested: "Model that the client asked for."
  status: {about: "ok, error, rate_limited, refused or cancelled.", tests: [not_null]}
  http_status: "HTTP status of the final answer."
  error_class: "Class of the failure."
  input_tokens: {about: "Everything read, cache included.", unit: tokens, tests: [">= 0"]}
  cache_read_tokens: {about: "Part of input read from the cache.", unit: tokens, tests: [">= 0"]}
  cache_write_tokens: {about: "Part of input written to the cache.", unit: tokens, tests: [">= 0"]}
  cache_write_5m_tokens: {about: "Part of cache writes kept five minutes.", unit: tokens}
  cache_write_1h_tokens: {about: "Part of cache writes kept one hour.", unit: tokens}
  output_tokens: {about: "Everything written, reasoning included.", unit: tokens, tests: [">= 0"]}
  reasoning_tokens: {about: "Part of output spent on reasoning.", unit: tokens}
  web_search_requests: {about: "Web searches billed by the provider.", unit: requests}
  service_tier: "Service tier."
  speed: "standard or fast."
  processing: "realtime or batch."
  effort: "Reasoning effort."
  duration_ms: {about: "Duration.", unit: ms}
  list_cost_pico: {about: "Tokens at list price; NULL when model, meter or tokens are unknown, 0 for an answer from a gateway's own cache.", unit: "1e-12 usd", tests: [">= 0"]}
  list_cost_usd: {about: "The same in dollars, exact.", unit: usd, tests: [">= 0"]}
  price_status: {about: "priced, or why there is no price.", tests: [not_null]}
  price_flags: "Assumptions behind the price, joined by commas."
  reported_cost_usd: {about: "Cost that a channel itself stated; never added to list cost.", unit: usd}
  reported_cost_basis: "client_estimate, gateway_list or provider_invoiced."
  amount_usd: {about: "What the vendor's report says it charges for this request.", unit: usd}
  is_billable: "False when the vendor says that it charges nothing for it."
  is_subscription: "Whether a subscription pays for it, so that no invoice names it."
  gateway: "Gateway that carried it."
  gateway_team: "Team as the gateway names it."
  gateway_key: "Alias of the gateway key."
  tags: "Tags given at the gateway, in alphabetical order, joined by commas."
  end_user_key: "Pseudonym of the end user named at the gateway."
  limited_by: "Who refused because of a limit: provider or gateway."
  limit_dimension: "What was limited: requests, tokens, concurrent_requests, budget or max_iterations."
  is_gateway_cache_hit: "Whether the gateway answered from its own cache."
  channels: {about: "Witnesses, in alphabetical order, joined by commas.", tests: [not_null]}
  channel_count: {about: "Number of witnesses.", unit: channels, tests: [">= 1"]}
  observation_count: {about: "Observations that were resolved into it.", tests: [">= 1"]}
  quality:
    about: >
      Flags joined by commas: output_estimated, fallback_only, auxiliary_unseen (only session files saw this session's day, and this
      agent writes some calls into none), model_unknown, clock_suspect; empty when there is none.
    tests: [not_null]
*/
WITH witnessed AS (
  SELECT agent, session_id, day, bool_and(channels = 'transcript') AS is_transcript_only
  FROM int_requests
  WHERE day IN (SELECT day FROM run_days) AND agent IN (SELECT agent FROM seed_auxiliary_calls)
  GROUP BY agent, session_id, day
)

SELECT
  requests.request_id,
  requests.day,
  requests.started_at,
  requests.session_id,
  requests.parent_session_id,
  requests.agent,
  requests.agent_version,
  requests.surface,
  requests.provider,
  requests.model,
  costs.price_model,
  requests.person_key,
  people.team,
  teams.division,
  teams.cost_centre,
  requests.repository,
  requests.branch,
  requests.is_subagent,
  requests.query_source,
  requests.launch_id,
  requests.model_requested,
  requests.status,
  requests.http_status,
  requests.error_class,
  requests.input_tokens,
  requests.cache_read_tokens,
  requests.cache_write_tokens,
  requests.cache_write_5m_tokens,
  requests.cache_write_1h_tokens,
  requests.output_tokens,
  requests.reasoning_tokens,
  requests.web_search_requests,
  requests.service_tier,
  requests.speed,
  requests.processing,
  requests.effort,
  requests.duration_ms,
  -- the gateway answered from its own cache: no provider was asked, so nothing is due
  CASE WHEN requests.is_gateway_cache_hit THEN 0 ELSE costs.list_cost_pico END AS list_cost_pico,
  CAST(CAST(CASE WHEN requests.is_gateway_cache_hit THEN 0 ELSE costs.list_cost_pico END AS DECIMAL(19, 0)) * CAST('0.000000000001' AS DECIMAL(13, 12)) AS DECIMAL(38, 12)) AS list_cost_usd,
  costs.price_status,
  costs.price_flags,
  requests.reported_cost_usd,
  requests.reported_cost_basis,
  requests.amount_usd,
  requests.is_billable,
  requests.is_subscription,
  requests.gateway,
  requests.gateway_team,
  requests.gateway_key,
  requests.tags,
  requests.end_user_key,
  requests.limited_by,
  requests.limit_dimension,
  requests.is_gateway_cache_hit,
  requests.channels,
  requests.channel_count,
  requests.observation_count,
  concat_ws(
    ',',
    CASE WHEN requests.is_output_estimated THEN 'output_estimated' END,
    CASE WHEN requests.is_fallback_only THEN 'fallback_only' END,
    CASE WHEN witnessed.is_transcript_only THEN 'auxiliary_unseen' END,
    CASE WHEN requests.model IS NULL OR costs.price_status = 'unknown_model' THEN 'model_unknown' END,
    CASE WHEN requests.is_clock_suspect THEN 'clock_suspect' END
  ) AS quality
FROM int_requests AS requests
INNER JOIN int_request_costs AS costs ON requests.request_id = costs.request_id AND requests.day = costs.day
LEFT JOIN witnessed
  ON requests.agent = witnessed.agent AND requests.session_id = witnessed.session_id AND requests.day = witnessed.day
LEFT JOIN dim_people AS people
  ON requests.person_key = people.person_key AND requests.day >= people.valid_from AND requests.day < people.valid_to
LEFT JOIN dim_teams AS teams
  ON people.team = teams.team AND requests.day >= teams.valid_from AND requests.day < teams.valid_to
WHERE requests.day IN (SELECT day FROM run_days) AND costs.day IN (SELECT day FROM run_days)
