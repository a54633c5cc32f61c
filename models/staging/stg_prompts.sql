/*
description: What each channel saw of each prompt, with the key by which copies in forks and repeats find each other.
kind: view
*/
WITH keyed AS (
  SELECT
    *,
    CASE channel WHEN 'transcript' THEN 0 WHEN 'otlp' THEN 1 ELSE 2 END AS channel_rank,
    CASE
      WHEN length(native_id) >= 20 THEN native_id
      WHEN native_id IS NOT NULL THEN session_id || ':' || native_id
      ELSE event_id
    END AS prompt_key
  FROM lake_prompt
)

SELECT *
FROM keyed
-- where the agent's own file tells of a session's day, what another channel tells under ids of its own is the same again
QUALIFY min(channel_rank) OVER (PARTITION BY prompt_key) = min(channel_rank) OVER (PARTITION BY session_id, day)
