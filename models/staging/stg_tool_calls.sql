/*
description: What each channel saw of each tool call, with the key by which copies in forks and repeats find each other.
kind: view
*/
SELECT
  *,
  CASE
    WHEN length(coalesce(tool_call_id, native_id)) >= 20 THEN coalesce(tool_call_id, native_id)
    WHEN coalesce(tool_call_id, native_id) IS NOT NULL THEN session_id || ':' || coalesce(tool_call_id, native_id)
    ELSE event_id
  END AS call_key
FROM lake_tool_call
