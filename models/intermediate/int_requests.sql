/*
description: >
  One row per request, resolved from all observations. Session and people come from the owner: the session with the oldest
  beginning, because a fork copies history. Tokens come from the observation that saw most output, because a stream is
  written down more than once.
grain: [request_id]
kind: daily
columns:
  request_id: {about: "The provider's id of the response, or the agent's own within the session.", tests: [not_null]}
  day: {about: "UTC day on which the request was first seen.", tests: [not_null]}
  started_at: {about: "Earliest time at which a channel saw it.", tests: [not_null]}
  session_id: {about: "Session that owns it.", tests: [not_null]}
  parent_session_id: "Session that the owner was forked or spawned from."
  agent: {about: "Product that spent it.", tests: [not_null]}
  agent_version: "Version of the agent."
  surface: "Where the agent ran."
  person_key: "Pseudonym of the person."
  sender: "Collector that sent the owner's observation."
  repository: "Repository as host/owner/name."
  branch: "Branch checked out."
  is_subagent: "Whether a sub-agent made the request."
  prompt_id: "Prompt that led to it."
  query_source: "main, subagent or auxiliary."
  provider: "Who served the model."
  model: "Model as reported."
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
  inference_geo: "Region restriction."
  effort: "Reasoning effort."
  duration_ms: {about: "Duration.", unit: ms}
  time_to_first_token_ms: {about: "Time to first token.", unit: ms}
  reported_cost_usd: {about: "Cost that a channel itself stated; never added to list cost.", unit: usd}
  channels: {about: "Witnesses, in alphabetical order, joined by commas.", tests: [not_null]}
  observation_count: {about: "Observations that were resolved into it.", tests: [">= 1"]}
  is_output_estimated: "Whether output is only the streaming placeholder, so too low."
  is_fallback_only: "Whether it was seen only inside another thread's progress records."
  is_clock_suspect: "Whether the sender's clock was ahead."
*/
WITH ranked AS (
  SELECT
    links.request_id AS linked_id,
    links.day AS linked_day,
    seen.*,
    row_number() OVER (
      PARTITION BY links.request_id
      ORDER BY seen.is_fallback, seen.is_subagent, coalesce(seen.session_started_at, seen.occurred_at),
        CASE WHEN seen.parent_session_id IS NOT NULL AND NOT seen.is_subagent THEN 1 ELSE 0 END, seen.session_id, seen.occurred_at, seen.event_id
    ) AS owner_rank,
    row_number() OVER (
      PARTITION BY links.request_id
      ORDER BY CASE WHEN seen.status = 'ok' THEN 0 ELSE 1 END, coalesce(seen.output_tokens, -1) DESC,
        coalesce(seen.input_tokens, -1) DESC, seen.is_output_estimated, seen.is_fallback, seen.occurred_at, seen.event_id
    ) AS usage_rank
  FROM int_request_links AS links
  INNER JOIN stg_observations AS seen ON links.event_id = seen.event_id
  WHERE links.day IN (SELECT day FROM run_days)
),

gathered AS (
  SELECT
    linked_id AS request_id,
    min(occurred_at) AS started_at,
    array_to_string(list_sort(list_distinct(list(channel))), ',') AS channels,
    count(*) AS observation_count,
    bool_and(is_fallback) AS is_fallback_only,
    bool_or(is_clock_suspect) AS is_clock_suspect,
    max(person_key) AS any_person_key,
    max(repository) AS any_repository
  FROM ranked
  GROUP BY linked_id
)

SELECT
  gathered.request_id,
  owner.linked_day AS day,
  gathered.started_at,
  owner.session_id,
  owner.parent_session_id,
  owner.agent,
  owner.agent_version,
  owner.surface,
  coalesce(owner.person_key, gathered.any_person_key) AS person_key,
  owner.sender,
  coalesce(owner.repository, gathered.any_repository) AS repository,
  owner.branch,
  owner.is_subagent,
  owner.prompt_id,
  owner.query_source,
  usage.provider,
  usage.model,
  usage.status,
  usage.http_status,
  usage.error_class,
  usage.input_tokens,
  usage.cache_read_tokens,
  usage.cache_write_tokens,
  usage.cache_write_5m_tokens,
  usage.cache_write_1h_tokens,
  usage.output_tokens,
  usage.reasoning_tokens,
  usage.web_search_requests,
  usage.service_tier,
  usage.speed,
  usage.processing,
  usage.inference_geo,
  usage.effort,
  usage.duration_ms,
  usage.time_to_first_token_ms,
  usage.reported_cost_usd,
  gathered.channels,
  gathered.observation_count,
  usage.is_output_estimated,
  gathered.is_fallback_only,
  gathered.is_clock_suspect
FROM gathered
INNER JOIN ranked AS owner ON gathered.request_id = owner.linked_id AND owner.owner_rank = 1
INNER JOIN ranked AS usage ON gathered.request_id = usage.linked_id AND usage.usage_rank = 1
