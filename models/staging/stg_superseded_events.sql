/*
description: >
  Requests and commits that a vendor reported and that no longer count: a newer fetch of their window replaced them, or their
  fetch never came whole. Events of other witnesses are never here.
kind: view
*/
WITH reported AS (
  SELECT 'model_request' AS kind, event_id, report, billing_account, window_start, fetched_at
  FROM lake_model_request WHERE report IS NOT NULL
  UNION ALL
  SELECT 'commit' AS kind, event_id, report, billing_account, window_start, fetched_at
  FROM lake_commit WHERE report IS NOT NULL
)

SELECT reported.kind, reported.event_id
FROM reported
LEFT JOIN stg_vendor_windows AS windows
  ON reported.report = windows.report AND reported.window_start = windows.window_start
    AND reported.fetched_at = windows.fetched_at
    AND coalesce(reported.billing_account, '') = coalesce(windows.billing_account, '')
WHERE windows.report IS NULL
