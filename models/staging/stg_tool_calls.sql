/*
description: >
  What each channel saw of each tool call, with the key by which copies in forks and repeats find each other. Some exports name
  no call: theirs are, in order, the calls of the same tool in the same session and day that another channel names.
kind: view
*/
-- each reading of these two takes few columns: keeping all of them for all would cost more than reading the lake again
WITH keyed AS NOT MATERIALIZED (
  SELECT
    *,
    CASE
      WHEN length(coalesce(tool_call_id, native_id)) >= 20 THEN coalesce(tool_call_id, native_id)
      WHEN coalesce(tool_call_id, native_id) IS NOT NULL THEN session_id || ':' || coalesce(tool_call_id, native_id)
    END AS named_key,
    -- a sub-agent's file may have a session id of its own where other channels know the parent's
    CASE WHEN is_subagent AND parent_session_id IS NOT NULL THEN parent_session_id ELSE session_id END AS match_session
  FROM lake_tool_call
),

nameless AS (
  SELECT
    event_id, agent, match_session, tool_name, day,
    row_number() OVER (PARTITION BY agent, match_session, tool_name, day, channel ORDER BY occurred_at, event_id) AS turn
  FROM keyed
  WHERE named_key IS NULL AND channel <> 'transcript'
),

named AS (
  SELECT
    agent, match_session, tool_name, day, named_key,
    row_number() OVER (PARTITION BY agent, match_session, tool_name, day ORDER BY min(occurred_at), named_key) AS turn
  FROM keyed
  WHERE named_key IS NOT NULL AND channel = 'transcript' AND match_session IN (SELECT match_session FROM nameless)
  GROUP BY agent, match_session, tool_name, day, named_key
),

tied AS NOT MATERIALIZED (
  SELECT
    keyed.*,
    CASE keyed.channel WHEN 'transcript' THEN 0 WHEN 'otlp' THEN 1 ELSE 2 END AS channel_rank,
    coalesce(keyed.named_key, named.named_key, keyed.event_id) AS call_key
  FROM keyed
  LEFT JOIN nameless ON keyed.named_key IS NULL AND keyed.event_id = nameless.event_id
  LEFT JOIN named
    ON nameless.agent = named.agent AND nameless.match_session = named.match_session AND nameless.tool_name = named.tool_name
      AND nameless.day = named.day AND nameless.turn = named.turn
),

-- where the agent's own file tells of a session's day, what another channel tells under ids of its own is the same again
session_days AS (
  SELECT match_session, day, min(channel_rank) AS best_rank
  FROM tied
  GROUP BY match_session, day
),

calls AS (
  SELECT call_key, min(channel_rank) AS best_rank
  FROM tied
  WHERE call_key IN (SELECT call_key FROM tied WHERE channel_rank > 0)
  GROUP BY call_key
)

SELECT * FROM tied
WHERE channel_rank = 0
UNION ALL
SELECT tied.*
FROM tied
INNER JOIN calls ON tied.call_key = calls.call_key
INNER JOIN session_days ON tied.match_session = session_days.match_session AND tied.day = session_days.day
WHERE tied.channel_rank > 0 AND calls.best_rank <= session_days.best_rank
