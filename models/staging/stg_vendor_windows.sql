/*
description: >
  The newest fetch of each window of each vendor's report. Rows of earlier fetches are history; rows of a fetch that no window
  closes never came whole. A window lies on the day on which it begins.
kind: view
*/
SELECT
  day,
  report,
  billing_account,
  window_start,
  window_end,
  fetched_at,
  row_count,
  data_complete_to
FROM (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY report, coalesce(billing_account, ''), window_start ORDER BY fetched_at DESC, event_id
    ) AS newest
  FROM lake_vendor_window
) AS fetched
WHERE newest = 1
