/*
description: >
  Every team with a budget against it, month by month. Earlier months are held against today's budget; a team without a budget
  has no row.
grain: [team, month]
kind: table
columns:
  team: {about: "Team as named in governance.yaml.", tests: [not_null]}
  month: {about: "Month such as 2026-11.", tests: [not_null]}
  month_start: {about: "First day of the month.", tests: [not_null]}
  as_of: {about: "Last day of the month with data of anyone.", tests: [not_null]}
  is_current: {about: "Whether it is the month of the last event.", tests: [not_null]}
  budget_usd: {about: "Budget of the month.", unit: usd, tests: ["> 0"]}
  spent_usd: {about: "List cost from the first of the month to as_of; 0 without requests, NULL when none has a price.", unit: usd, tests: [">= 0"]}
  share_used: {about: "spent_usd over budget_usd.", unit: share}
  unpriced_requests: {about: "Successful requests without a list price; their cost is missing in spent_usd.", unit: requests, tests: [not_null]}
  passed_on: "Day on which spending passed the budget; NULL when it did not."
*/
WITH months AS (
  SELECT month, CAST(date_trunc('month', min(day)) AS DATE) AS month_start, max(day) AS as_of
  FROM dim_days
  GROUP BY month
),

daily AS (
  SELECT
    team,
    day,
    CAST(date_trunc('month', day) AS DATE) AS month_start,
    sum(list_cost_usd) AS spent_usd,
    sum(unpriced_requests) AS unpriced_requests
  FROM rpt_usage_daily
  GROUP BY ALL
),

running AS (
  SELECT *, sum(spent_usd) OVER (PARTITION BY team, month_start ORDER BY day) AS spent_so_far_usd
  FROM daily
),

judged AS (
  SELECT
    budgets.team,
    months.month,
    months.month_start,
    months.as_of,
    months.as_of = max(months.as_of) OVER () AS is_current,
    budgets.budget_usd,
    CASE WHEN count(running.day) = 0 THEN 0 ELSE sum(running.spent_usd) END AS spent_usd,
    coalesce(sum(running.unpriced_requests), 0) AS unpriced_requests,
    min(CASE WHEN running.spent_so_far_usd > budgets.budget_usd THEN running.day END) AS passed_on
  FROM stg_budgets AS budgets
  CROSS JOIN months
  LEFT JOIN running ON budgets.team = running.team AND months.month_start = running.month_start
  GROUP BY budgets.team, months.month, months.month_start, months.as_of, budgets.budget_usd
)

SELECT
  team,
  month,
  month_start,
  as_of,
  is_current,
  budget_usd,
  CAST(spent_usd AS DECIMAL(38, 12)) AS spent_usd,
  CAST(spent_usd AS DOUBLE) / CAST(budget_usd AS DOUBLE) AS share_used,
  CAST(unpriced_requests AS BIGINT) AS unpriced_requests,
  passed_on
FROM judged
