/*
description: What each channel saw of each prompt, with the key by which copies in forks and repeats find each other.
kind: view
*/
SELECT
  *,
  CASE
    WHEN length(native_id) >= 20 THEN native_id
    WHEN native_id IS NOT NULL THEN session_id || ':' || native_id
    ELSE event_id
  END AS prompt_key
FROM lake_prompt
