/*
description: Which request each observation belongs to; a request lies on the day it was first seen.
grain: [event_id]
kind: daily
columns:
  event_id: {about: "The observation.", tests: [not_null]}
  request_id: {about: "The request it saw.", tests: [not_null]}
  day: {about: "UTC day on which the request was first seen.", tests: [not_null]}
*/
WITH placed AS (
  -- a clock that was ahead puts one event, sent twice, on two days of receipt
  SELECT DISTINCT event_id, request_id, min(day) OVER (PARTITION BY request_id) AS day
  FROM stg_observations
)

SELECT event_id, request_id, day
FROM placed
WHERE day IN (SELECT day FROM run_days)
