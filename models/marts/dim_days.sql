/*
description: Every day from the first to the last event, with its ISO week; weeks begin on Monday, all days are UTC.
grain: [day]
kind: table
columns:
  day: {about: "UTC day.", tests: [not_null]}
  week: {about: "ISO week such as 2026-W46.", tests: [not_null]}
  week_start: {about: "Monday of the week.", tests: [not_null]}
  month: {about: "Month such as 2026-11.", tests: [not_null]}
  weekday: {about: "1 is Monday, 7 is Sunday.", tests: [not_null]}
  is_weekend: "Saturday or Sunday."
*/
WITH bounds AS (
  SELECT min(day) AS first_day, max(day) AS last_day FROM (
    SELECT day FROM fct_requests UNION ALL SELECT day FROM fct_prompts UNION ALL SELECT day FROM fct_tool_calls
    UNION ALL SELECT day FROM fct_commits
  )
),

days AS (
  SELECT CAST(unnest(generate_series(first_day, last_day, INTERVAL 1 DAY)) AS DATE) AS day
  FROM bounds
  WHERE first_day IS NOT NULL
)

SELECT
  day,
  strftime(day, '%G-W%V') AS week,
  CAST(date_trunc('week', day) AS DATE) AS week_start,
  strftime(day, '%Y-%m') AS month,
  CAST(isodow(day) AS BIGINT) AS weekday,
  isodow(day) >= 6 AS is_weekend
FROM days
