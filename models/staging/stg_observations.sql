/*
description: >
  What each channel saw of each model request, typed. Observations that share a provider's id have one thing_id; the rest
  carry what int_request_links compares: session, model, tokens and time.
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
    END AS response_key
  FROM lake_model_request
  WHERE event_id NOT IN (SELECT event_id FROM stg_superseded_events WHERE kind = 'model_request')
),

-- OTLP knows request ids and gateways response ids; a transcript that knows both ties them together
told AS (
  SELECT provider_request_id, min(response_key) AS response_key
  FROM keyed
  WHERE provider_request_id IS NOT NULL AND response_key IS NOT NULL
  GROUP BY provider_request_id
),

-- one response id under two request ids is two requests
repeated AS (
  SELECT response_key
  FROM keyed
  WHERE provider_request_id IS NOT NULL AND response_key IS NOT NULL
  GROUP BY response_key
  HAVING min(provider_request_id) <> max(provider_request_id)
),

-- a sub-agent's thread may have a session id of its own, in its file or its export, where other channels know the parent's
roots AS (
  SELECT session_id, min(parent_session_id) AS root_session_id
  FROM keyed
  WHERE is_subagent AND parent_session_id <> session_id
  GROUP BY session_id
),

identified AS (
  SELECT
    keyed.*,
    coalesce(roots.root_session_id, keyed.session_id) AS match_session,
    coalesce(keyed.response_key, told.response_key) AS answer,
    repeated.response_key IS NOT NULL AS is_repeated
  FROM keyed
  LEFT JOIN roots ON keyed.session_id = roots.session_id
  LEFT JOIN told ON keyed.provider_request_id = told.provider_request_id AND keyed.response_key IS NULL
  LEFT JOIN repeated ON coalesce(keyed.response_key, told.response_key) = repeated.response_key
)

SELECT
  event_id,
  CASE
    WHEN answer IS NOT NULL AND NOT is_repeated THEN answer
    WHEN answer IS NOT NULL AND provider_request_id IS NOT NULL THEN answer || ':' || provider_request_id
    WHEN provider_request_id IS NOT NULL THEN provider_request_id
    WHEN gateway_call_id IS NOT NULL THEN coalesce(gateway, 'gateway') || ':' || gateway_call_id
    -- a failure has no response; a fork copies it under the id of its line
    WHEN status <> 'ok' AND length(native_id) >= 20 THEN native_id
    WHEN native_id IS NOT NULL THEN session_id || ':' || native_id
    ELSE event_id
  END AS thing_id,
  answer IS NOT NULL AND NOT is_repeated AS has_response_id,
  provider_request_id IS NOT NULL AS has_request_id,
  match_session,
  -- what two channels must agree on to have seen the same request; NULL matches nothing
  CASE
    WHEN status <> 'ok' THEN concat('failed:', coalesce(CAST(http_status AS VARCHAR), status))
    WHEN input_tokens IS NOT NULL AND output_tokens IS NOT NULL THEN concat_ws(
      -- Gemini CLI's file names the model that was asked for, all other witnesses the one that answered
      ':', CASE WHEN agent = 'gemini_cli' THEN '' ELSE
        regexp_replace(regexp_replace(lower(coalesce(model, '')), '^.*/', ''), '([-@][0-9]{3,8}|-latest)$', '') END,
      input_tokens, coalesce(cache_read_tokens, 0), coalesce(cache_write_tokens, 0), output_tokens
    )
  END AS match_key,
  -- gateways note the begin, agents the end
  epoch_ms(occurred_at) + CASE WHEN channel = 'gateway' THEN coalesce(duration_ms, 0) ELSE 0 END AS matched_ms,
  CASE WHEN person_key NOT LIKE 'device-%' THEN person_key END AS known_person_key,
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
  launch_id,
  provider,
  model,
  model_requested,
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
  reported_cost_basis,
  gateway,
  gateway_team,
  gateway_key,
  tags,
  end_user_key,
  limited_by,
  limit_dimension,
  is_gateway_cache_hit,
  is_subscription,
  is_billable,
  amount_usd,
  is_clock_suspect
FROM identified
