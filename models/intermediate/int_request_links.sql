/*
description: >
  Which request each observation belongs to; a request lies on the day it was first seen. Observations with one provider's id
  are one request. What else two channels saw within five minutes in one session, of one model with the same tokens, is one
  request too, first to first and second to second; never two observations of one channel, never across sessions or people.
grain: [event_id]
kind: daily
one_day: [request_id]
public: true
columns:
  event_id: {about: "The observation.", tests: [not_null]}
  request_id: {about: "The request it saw.", tests: [not_null]}
  day: {about: "UTC day on which the request was first seen.", tests: [not_null]}
  rule: {about: "id, or tokens where only session, model, tokens and time tie it to the others.", tests: [[id, tokens]]}
*/
WITH things AS (
  SELECT
    thing_id,
    -- the last parts settle what is equal: a fork may begin when its origin did, and a gateway may count input otherwise than
    -- the file, whose numbers the agent's export repeats
    arg_min(match_session, (coalesce(session_started_at, occurred_at), match_session)) AS match_session,
    arg_max(match_key, (coalesce(output_tokens, -1), channel = 'transcript', match_key)) AS match_key,
    min(matched_ms) AS matched_ms,
    min(known_person_key) AS known_person_key,
    bool_or(has_response_id) AS has_response_id,
    bool_or(has_request_id) AS has_request_id,
    bool_or(channel = 'transcript') AS in_transcript,
    bool_or(channel = 'otlp') AS in_otlp,
    bool_or(channel = 'gateway') AS in_gateway
  FROM stg_observations
  GROUP BY thing_id
),

alike AS (
  SELECT
    *,
    -- where several people share a session id, only what is known to be one person's is compared
    CASE WHEN min(known_person_key) OVER (PARTITION BY match_session, match_key)
      <> max(known_person_key) OVER (PARTITION BY match_session, match_key) THEN coalesce(known_person_key, thing_id) ELSE '' END AS person,
    count(*) OVER (PARTITION BY match_session, match_key) AS alike_count
  FROM things
  WHERE match_key IS NOT NULL
),

gaps AS (
  SELECT
    *,
    CASE WHEN matched_ms <= lag(matched_ms) OVER (PARTITION BY match_session, match_key, person ORDER BY matched_ms, thing_id) + 5 * 60 * 1000
      THEN 0 ELSE 1 END AS is_gap
  FROM alike
  WHERE alike_count > 1
),

near AS (
  SELECT
    *,
    concat_ws('|', match_session, match_key, person,
      sum(is_gap) OVER (PARTITION BY match_session, match_key, person ORDER BY matched_ms, thing_id)) AS group_key
  FROM gaps
),

-- OTLP finds its place among what the transcripts saw
otlp_places AS (
  SELECT near.*, kinds.has_response_id AS for_response_id, kinds.has_request_id AS for_request_id, row_number() OVER (
    PARTITION BY near.group_key, kinds.has_response_id, kinds.has_request_id ORDER BY near.matched_ms, near.thing_id) AS place
  FROM near
  CROSS JOIN (SELECT DISTINCT has_response_id, has_request_id FROM near WHERE in_otlp AND NOT in_transcript) AS kinds
  WHERE near.in_transcript AND NOT near.in_otlp
    -- two different ids of one kind are two requests
    AND NOT (near.has_response_id AND kinds.has_response_id) AND NOT (near.has_request_id AND kinds.has_request_id)
),

otlp_only AS (
  SELECT *, row_number() OVER (PARTITION BY group_key, has_response_id, has_request_id ORDER BY matched_ms, thing_id) AS place
  FROM near
  WHERE in_otlp AND NOT in_transcript
),

otlp_links AS (
  SELECT seen.thing_id, places.thing_id AS slot_id
  FROM otlp_only AS seen
  INNER JOIN otlp_places AS places
    ON seen.group_key = places.group_key AND seen.place = places.place
    AND seen.has_response_id = places.for_response_id AND seen.has_request_id = places.for_request_id
  QUALIFY row_number() OVER (PARTITION BY places.thing_id ORDER BY seen.matched_ms, seen.thing_id) = 1
),

-- the gateway finds its place among what the laptop saw in either way
slots AS (
  SELECT
    near.group_key,
    coalesce(links.slot_id, near.thing_id) AS slot_id,
    min(near.matched_ms) AS matched_ms,
    bool_or(near.has_response_id) AS has_response_id,
    bool_or(near.has_request_id) AS has_request_id,
    bool_or(near.in_gateway) AS in_gateway
  FROM near
  LEFT JOIN otlp_links AS links ON near.thing_id = links.thing_id
  WHERE near.in_transcript OR near.in_otlp
  GROUP BY near.group_key, coalesce(links.slot_id, near.thing_id)
),

gateway_places AS (
  SELECT slots.*, kinds.has_response_id AS for_response_id, kinds.has_request_id AS for_request_id, row_number() OVER (
    PARTITION BY slots.group_key, kinds.has_response_id, kinds.has_request_id ORDER BY slots.matched_ms, slots.slot_id) AS place
  FROM slots
  CROSS JOIN (SELECT DISTINCT has_response_id, has_request_id FROM near WHERE in_gateway AND NOT in_transcript AND NOT in_otlp) AS kinds
  WHERE NOT slots.in_gateway
    AND NOT (slots.has_response_id AND kinds.has_response_id) AND NOT (slots.has_request_id AND kinds.has_request_id)
),

gateway_only AS (
  SELECT *, row_number() OVER (PARTITION BY group_key, has_response_id, has_request_id ORDER BY matched_ms, thing_id) AS place
  FROM near
  WHERE in_gateway AND NOT in_transcript AND NOT in_otlp
),

gateway_links AS (
  SELECT seen.thing_id, places.slot_id
  FROM gateway_only AS seen
  INNER JOIN gateway_places AS places
    ON seen.group_key = places.group_key AND seen.place = places.place
    AND seen.has_response_id = places.for_response_id AND seen.has_request_id = places.for_request_id
  QUALIFY row_number() OVER (PARTITION BY places.slot_id ORDER BY seen.matched_ms, seen.thing_id) = 1
),

joined AS (
  SELECT
    things.thing_id,
    coalesce(otlp_links.slot_id, gateway_links.slot_id, things.thing_id) AS slot_id,
    -- the provider's id of the response names the request wherever a channel knows it
    CASE WHEN has_response_id THEN 0 WHEN has_request_id THEN 1 WHEN in_transcript THEN 2 ELSE 3 END AS name_rank
  FROM things
  LEFT JOIN otlp_links ON things.thing_id = otlp_links.thing_id
  LEFT JOIN gateway_links ON things.thing_id = gateway_links.thing_id
),

named AS (
  SELECT
    thing_id,
    first_value(thing_id) OVER (PARTITION BY slot_id ORDER BY name_rank, thing_id) AS request_id,
    count(*) OVER (PARTITION BY slot_id) AS thing_count
  FROM joined
),

placed AS (
  -- a clock that was ahead puts one event, sent twice, on two days of receipt
  SELECT DISTINCT
    seen.event_id,
    named.request_id,
    min(seen.day) OVER (PARTITION BY named.request_id) AS day,
    CASE WHEN named.thing_count > 1 THEN 'tokens' ELSE 'id' END AS rule
  FROM stg_observations AS seen
  INNER JOIN named ON seen.thing_id = named.thing_id
)

SELECT event_id, request_id, day, rule
FROM placed
WHERE day IN (SELECT day FROM run_days)
