/*
description: What each channel saw of each model request, typed, with the key by which copies of one request find each other.
kind: view
*/
WITH keyed AS (
  SELECT
    *,
    -- the provider's id is the identity; engines behind a custom URL give no request id and may repeat short response ids,
    -- so those count within a session
    CASE
      WHEN response_id IS NOT NULL AND (provider_request_id IS NOT NULL OR length(response_id) >= 20) THEN response_id
      WHEN response_id IS NOT NULL THEN session_id || ':' || response_id
      WHEN native_id IS NOT NULL THEN session_id || ':' || native_id
      ELSE event_id
    END AS identity
  FROM lake_model_request
),

ranged AS (
  SELECT
    *,
    min(provider_request_id) OVER (PARTITION BY identity) AS first_request_id,
    max(provider_request_id) OVER (PARTITION BY identity) AS last_request_id
  FROM keyed
)

SELECT
  event_id,
  -- one response id under two request ids is two requests
  CASE
    WHEN first_request_id IS DISTINCT FROM last_request_id THEN identity || ':' || coalesce(provider_request_id, '')
    ELSE identity
  END AS request_id,
  day,
  occurred_at,
  source,
  channel,
  agent,
  agent_version,
  surface,
  session_id,
  parent_session_id,
  session_started_at,
  person_key,
  sender,
  repository,
  branch,
  coalesce(is_subagent, false) AS is_subagent,
  prompt_id,
  provider,
  model,
  response_id,
  provider_request_id,
  status,
  http_status,
  error_class,
  input_tokens,
  cache_read_tokens,
  cache_write_tokens,
  cache_write_5m_tokens,
  cache_write_1h_tokens,
  output_tokens,
  reasoning_tokens,
  web_search_requests,
  service_tier,
  speed,
  processing,
  inference_geo,
  effort,
  query_source,
  coalesce(is_output_estimated, false) AS is_output_estimated,
  coalesce(is_fallback, false) AS is_fallback,
  duration_ms,
  time_to_first_token_ms,
  reported_cost_usd,
  is_clock_suspect
FROM ranged
