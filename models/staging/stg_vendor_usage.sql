/*
description: >
  Rows of vendors' usage, cost and activity reports as the newest fetch of their window gave them, each once. Amounts of credits
  are negative here, so that amounts add up.
kind: view
*/
WITH placed AS (
  -- a segment that was shipped twice gives the same event twice
  SELECT rows_.*, row_number() OVER (PARTITION BY rows_.event_id ORDER BY rows_.received_at) AS copy
  FROM lake_vendor_usage AS rows_
)

SELECT
  placed.* EXCLUDE (copy, list_amount_usd, amount_usd, data_complete_to),
  CASE WHEN placed.charge_category = 'credit' THEN -placed.list_amount_usd ELSE placed.list_amount_usd END AS list_amount_usd,
  CASE WHEN placed.charge_category = 'credit' THEN -placed.amount_usd ELSE placed.amount_usd END AS amount_usd,
  windows.data_complete_to
FROM placed
INNER JOIN stg_vendor_windows AS windows
  ON placed.report = windows.report AND placed.window_start = windows.window_start
    AND placed.fetched_at = windows.fetched_at
    AND coalesce(placed.billing_account, '') = coalesce(windows.billing_account, '')
WHERE placed.copy = 1
