/*
description: >
  What each channel saw of each prompt, with the key by which copies in forks and repeats find each other. Some exports name
  no prompt: theirs are, in order, the prompts of the same session and day that another channel names.
kind: view
*/
WITH keyed AS (
  SELECT
    *,
    CASE
      WHEN length(native_id) >= 20 THEN native_id
      WHEN native_id IS NOT NULL THEN session_id || ':' || native_id
    END AS named_key,
    -- a sub-agent's file may have a session id of its own where other channels know the parent's
    CASE WHEN is_subagent AND parent_session_id IS NOT NULL THEN parent_session_id ELSE session_id END AS match_session
  FROM lake_prompt
),

named AS (
  SELECT
    agent, match_session, day, named_key,
    row_number() OVER (PARTITION BY agent, match_session, day ORDER BY min(occurred_at), named_key) AS turn
  FROM keyed
  WHERE named_key IS NOT NULL AND channel = 'transcript'
  GROUP BY agent, match_session, day, named_key
),

nameless AS (
  SELECT
    event_id, agent, match_session, day,
    row_number() OVER (PARTITION BY agent, match_session, day, channel ORDER BY occurred_at, event_id) AS turn
  FROM keyed
  WHERE named_key IS NULL AND channel <> 'transcript'
),

tied AS (
  SELECT
    keyed.*,
    CASE keyed.channel WHEN 'transcript' THEN 0 WHEN 'otlp' THEN 1 ELSE 2 END AS channel_rank,
    coalesce(keyed.named_key, named.named_key, keyed.event_id) AS prompt_key
  FROM keyed
  LEFT JOIN nameless ON keyed.named_key IS NULL AND keyed.event_id = nameless.event_id
  LEFT JOIN named
    ON nameless.agent = named.agent AND nameless.match_session = named.match_session
      AND nameless.day = named.day AND nameless.turn = named.turn
)

SELECT *
FROM tied
-- where the agent's own file tells of a session's day, what another channel tells under ids of its own is the same again
QUALIFY min(channel_rank) OVER (PARTITION BY prompt_key) <= min(channel_rank) OVER (PARTITION BY match_session, day)
