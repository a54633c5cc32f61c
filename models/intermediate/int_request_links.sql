/*
description: >
  Which request each observation belongs to; a request lies on the day it was first seen. Observations with one provider's id
  are one request. What else two channels saw within five minutes in one session, of one model with the same tokens, is one
  request too, first to first and second to second; never two observations of one channel, never across sessions or people.
grain: [event_id]
kind: daily
one_day: [request_id]
also_known_by: [provider_request_id, shared_response_id]
public: true
columns:
  event_id: {about: "The observation.", tests: [not_null]}
  request_id: {about: "The request it saw.", tests: [not_null]}
  day: {about: "UTC day on which the request was first seen.", tests: [not_null]}
  rule: {about: "id, or tokens where only session, model, tokens and time tie it to the others.", tests: [[id, tokens]]}
  observed_on: {about: "UTC day under which the lake holds the observation.", tests: [not_null]}
  provider_request_id: "The provider's id of the HTTP request, when the observation knows it."
  shared_response_id: "The provider's id of the response, where two requests share it, so that it is the id of neither."
  is_only_witness: {about: "Whether nothing else saw the request.", tests: [not_null]}
*/
WITH seen AS (
  SELECT * FROM stg_observation_keys
),

-- most things are seen once; only those seen again are worth an aggregate
repeated AS (
  SELECT thing_id FROM seen GROUP BY thing_id HAVING count(*) > 1
),

things AS (
  SELECT
    thing_id,
    match_session,
    match_key,
    matched_ms,
    known_person_key,
    has_response_id,
    has_request_id,
    channel = 'transcript' AS in_transcript,
    channel = 'otlp' AS in_otlp,
    channel = 'gateway' AS in_gateway
  FROM seen
  WHERE thing_id NOT IN (SELECT thing_id FROM repeated)
  UNION ALL
  SELECT
    thing_id,
    -- the last parts settle what is equal: a fork may begin when its origin did, and a gateway may count input otherwise than
    -- the file, whose numbers the agent's export repeats
    arg_min(match_session, (coalesce(session_started_at, occurred_at), match_session)),
    arg_max(match_key, (coalesce(output_tokens, -1), channel = 'transcript', match_key)),
    min(matched_ms),
    min(known_person_key),
    bool_or(has_response_id),
    bool_or(has_request_id),
    bool_or(channel = 'transcript'),
    bool_or(channel = 'otlp'),
    bool_or(channel = 'gateway')
  FROM seen
  WHERE thing_id IN (SELECT thing_id FROM repeated)
  GROUP BY thing_id
),

-- nearly every session and key is there once: only the others are worth a look at people
shared AS (
  SELECT match_session, match_key FROM things WHERE match_key IS NOT NULL GROUP BY match_session, match_key HAVING count(*) > 1
),

pairs AS (
  SELECT things.match_session, things.match_key, count(DISTINCT things.known_person_key) AS people
  FROM things
  INNER JOIN shared ON things.match_session = shared.match_session AND things.match_key = shared.match_key
  GROUP BY things.match_session, things.match_key
),

alike AS (
  SELECT
    things.*,
    -- where several people share a session id, only what is known to be one person's is compared
    CASE WHEN pairs.people > 1 THEN coalesce(things.known_person_key, things.thing_id) ELSE '' END AS person
  FROM things
  INNER JOIN pairs ON things.match_session = pairs.match_session AND things.match_key = pairs.match_key
),

gaps AS (
  SELECT
    *,
    CASE WHEN matched_ms <= lag(matched_ms) OVER (PARTITION BY match_session, match_key, person ORDER BY matched_ms, thing_id) + 5 * 60 * 1000
      THEN 0 ELSE 1 END AS is_gap
  FROM alike
),

near AS (
  SELECT
    *,
    concat_ws('|', match_session, match_key, person,
      sum(is_gap) OVER (PARTITION BY match_session, match_key, person ORDER BY matched_ms, thing_id)) AS group_key
  FROM gaps
),

-- OTLP finds its place among what the transcripts saw. Two different ids of one kind are two requests, so `lack` holds what
-- decides: the ids that a seeker has and that a place lacks (2 the response's, 1 the request's). Equal lacks pair first
-- (rounds 1 to 3), then seekers with one id take places that lack both (4), then seekers with none take any that is left (5):
-- no place stays empty that a seeker could have had.
otlp_line AS (
  SELECT
    *,
    in_otlp AS is_seeking,
    CASE WHEN in_otlp = has_response_id THEN 2 ELSE 0 END + CASE WHEN in_otlp = has_request_id THEN 1 ELSE 0 END AS lack
  FROM near
  WHERE in_otlp <> in_transcript
),

otlp_ranked AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY group_key, is_seeking, lack ORDER BY matched_ms, thing_id) AS rank_of_lack,
    count(CASE WHEN is_seeking THEN 1 END) OVER (PARTITION BY group_key, lack) AS seeking_count,
    count(CASE WHEN NOT is_seeking THEN 1 END) OVER (PARTITION BY group_key, lack) AS place_count
  FROM otlp_line
),

otlp_rounds AS (
  SELECT
    *,
    CASE
      WHEN lack > 0 AND rank_of_lack <= seeking_count AND rank_of_lack <= place_count THEN lack
      WHEN is_seeking THEN CASE lack WHEN 0 THEN 5 WHEN 3 THEN 6 ELSE 4 END
      WHEN lack = 3 AND rank_of_lack - seeking_count
        <= count(CASE WHEN is_seeking AND lack IN (1, 2) AND rank_of_lack > place_count THEN 1 END) OVER (PARTITION BY group_key) THEN 4
      ELSE 5
    END AS round
  FROM otlp_ranked
),

otlp_paired AS (
  SELECT *, row_number() OVER (PARTITION BY group_key, round, is_seeking ORDER BY matched_ms, thing_id) AS place
  FROM otlp_rounds
),

otlp_links AS (
  SELECT seen.thing_id, places.thing_id AS slot_id
  FROM otlp_paired AS seen
  INNER JOIN otlp_paired AS places
    ON seen.group_key = places.group_key AND seen.round = places.round AND seen.place = places.place
  WHERE seen.is_seeking AND NOT places.is_seeking
),

-- the gateway finds its place among what the laptop saw in either way
gateway_slots AS (
  SELECT
    near.group_key,
    coalesce(links.slot_id, near.thing_id) AS slot_id,
    min(near.matched_ms) AS matched_ms,
    bool_and(NOT near.in_transcript AND NOT near.in_otlp) AS is_seeking,
    bool_or(near.has_response_id) AS has_response_id,
    bool_or(near.has_request_id) AS has_request_id
  FROM near
  LEFT JOIN otlp_links AS links ON near.thing_id = links.thing_id
  GROUP BY near.group_key, coalesce(links.slot_id, near.thing_id)
  HAVING NOT (bool_or(near.in_gateway) AND bool_or(near.in_transcript OR near.in_otlp))
),

gateway_line AS (
  SELECT
    *,
    CASE WHEN is_seeking = has_response_id THEN 2 ELSE 0 END + CASE WHEN is_seeking = has_request_id THEN 1 ELSE 0 END AS lack
  FROM gateway_slots
),

gateway_ranked AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY group_key, is_seeking, lack ORDER BY matched_ms, slot_id) AS rank_of_lack,
    count(CASE WHEN is_seeking THEN 1 END) OVER (PARTITION BY group_key, lack) AS seeking_count,
    count(CASE WHEN NOT is_seeking THEN 1 END) OVER (PARTITION BY group_key, lack) AS place_count
  FROM gateway_line
),

gateway_rounds AS (
  SELECT
    *,
    CASE
      WHEN lack > 0 AND rank_of_lack <= seeking_count AND rank_of_lack <= place_count THEN lack
      WHEN is_seeking THEN CASE lack WHEN 0 THEN 5 WHEN 3 THEN 6 ELSE 4 END
      WHEN lack = 3 AND rank_of_lack - seeking_count
        <= count(CASE WHEN is_seeking AND lack IN (1, 2) AND rank_of_lack > place_count THEN 1 END) OVER (PARTITION BY group_key) THEN 4
      ELSE 5
    END AS round
  FROM gateway_ranked
),

gateway_paired AS (
  SELECT *, row_number() OVER (PARTITION BY group_key, round, is_seeking ORDER BY matched_ms, slot_id) AS place
  FROM gateway_rounds
),

gateway_links AS (
  SELECT seen.slot_id AS thing_id, places.slot_id
  FROM gateway_paired AS seen
  INNER JOIN gateway_paired AS places
    ON seen.group_key = places.group_key AND seen.round = places.round AND seen.place = places.place
  WHERE seen.is_seeking AND NOT places.is_seeking
),

links AS (
  SELECT thing_id, slot_id FROM otlp_links
  UNION ALL
  SELECT thing_id, slot_id FROM gateway_links
),

members AS (
  SELECT thing_id, slot_id FROM links
  UNION ALL
  SELECT max(slot_id), slot_id FROM links GROUP BY slot_id  -- one column twice in a UNION breaks Spark 4.3
),

named AS (
  SELECT
    members.thing_id,
    first_value(members.thing_id) OVER (
      PARTITION BY members.slot_id
      -- the provider's id of the response names the request wherever a channel knows it
      ORDER BY CASE WHEN has_response_id THEN 0 WHEN has_request_id THEN 1 WHEN in_transcript THEN 2 ELSE 3 END, members.thing_id
    ) AS request_id
  FROM members
  INNER JOIN things ON members.thing_id = things.thing_id
),

several AS (
  SELECT
    seen.event_id,
    coalesce(named.request_id, seen.thing_id) AS request_id,
    seen.day AS observed_on,
    seen.provider_request_id,
    seen.shared_response_id,
    CASE WHEN named.thing_id IS NULL THEN 'id' ELSE 'tokens' END AS rule
  FROM seen
  LEFT JOIN named ON seen.thing_id = named.thing_id
  WHERE seen.thing_id IN (SELECT thing_id FROM repeated UNION ALL SELECT thing_id FROM named)
),

placed AS (
  SELECT event_id, thing_id AS request_id, day, 'id' AS rule, day AS observed_on, provider_request_id,
    shared_response_id, true AS is_only_witness
  FROM seen
  WHERE thing_id NOT IN (SELECT thing_id FROM repeated UNION ALL SELECT thing_id FROM named)
  UNION ALL
  -- a clock that was ahead puts one event, sent twice, on two days of receipt
  SELECT event_id, request_id, min(day), min(rule), min(observed_on), min(provider_request_id), min(shared_response_id), false
  FROM (SELECT *, min(observed_on) OVER (PARTITION BY request_id) AS day FROM several) AS dated
  GROUP BY event_id, request_id
)

SELECT event_id, request_id, day, rule, observed_on, provider_request_id, shared_response_id, is_only_witness
FROM placed
WHERE day IN (SELECT day FROM run_days)
