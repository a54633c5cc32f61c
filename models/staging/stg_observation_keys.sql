/*
description: >
  By what observations are compared. Those that share a provider's id have one thing_id; the rest carry what int_request_links
  looks at: session, model, tokens and time.
kind: view
*/
WITH keyed AS (
  SELECT
    event_id, day, occurred_at, session_started_at, channel, agent, model, session_id, parent_session_id, is_subagent,
    known_person_key, provider_request_id, gateway, gateway_call_id, native_id, status, http_status, input_tokens,
    cache_read_tokens, cache_write_tokens, output_tokens, duration_ms,
    -- the provider's id is the identity; engines behind a custom URL give no request id and may repeat short response ids,
    -- so those count within a session
    CASE
      WHEN response_id IS NOT NULL AND (provider_request_id IS NOT NULL OR length(response_id) >= 20) THEN response_id
      WHEN response_id IS NOT NULL THEN session_id || ':' || response_id
    END AS response_key
  FROM stg_observations
),

-- OTLP knows request ids and gateways response ids; a transcript that knows both ties them together
told AS (
  SELECT provider_request_id, min(response_key) AS response_key
  FROM keyed
  WHERE response_key IS NOT NULL
    AND provider_request_id IN (SELECT provider_request_id FROM keyed WHERE response_key IS NULL AND provider_request_id IS NOT NULL)
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

-- text work once a name, not once a request: Gemini CLI's file names the model that was asked for, all other witnesses the one
-- that answered
names AS (
  SELECT agent, model,
    CASE WHEN agent = 'gemini_cli' THEN '' ELSE
      regexp_replace(regexp_replace(lower(model), '^.*/', ''), '([-@][0-9]{3,8}|-latest)$', '') END AS bare_model
  FROM (SELECT DISTINCT agent, model FROM keyed WHERE model IS NOT NULL) AS found
),

identified AS (
  SELECT
    keyed.*,
    coalesce(roots.root_session_id, keyed.session_id) AS match_session,
    coalesce(names.bare_model, '') AS bare_model,
    coalesce(keyed.response_key, told.response_key) AS answer,
    repeated.response_key IS NOT NULL AS is_repeated
  FROM keyed
  LEFT JOIN names ON keyed.agent = names.agent AND keyed.model = names.model
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
  CASE WHEN is_repeated THEN answer END AS shared_response_id,
  answer IS NOT NULL AND NOT is_repeated AS has_response_id,
  provider_request_id IS NOT NULL AS has_request_id,
  match_session,
  -- what two channels must agree on to have seen the same request; NULL matches nothing
  CASE
    WHEN status <> 'ok' THEN concat('failed:', coalesce(CAST(http_status AS VARCHAR), status))
    WHEN input_tokens IS NOT NULL AND output_tokens IS NOT NULL THEN concat_ws(
      ':', bare_model, input_tokens, coalesce(cache_read_tokens, 0), coalesce(cache_write_tokens, 0), output_tokens
    )
  END AS match_key,
  -- gateways note the begin, agents the end
  epoch_ms(occurred_at) + CASE WHEN channel = 'gateway' THEN coalesce(duration_ms, 0) ELSE 0 END AS matched_ms,
  known_person_key,
  provider_request_id,
  day,
  occurred_at,
  session_started_at,
  channel,
  output_tokens
FROM identified
