/*
description: >
  How much each team with a budget will have spent at the end of the current month, forecast on the last day with data. The
  band holds four months out of five; NULL when there are fewer than two weeks of data.
grain: [team, month]
kind: table
columns:
  team: {about: "Team as named in governance.yaml.", tests: [not_null]}
  month: {about: "Month such as 2026-11.", tests: [not_null]}
  as_of: {about: "Last day the forecast knows.", tests: [not_null]}
  budget_usd: {about: "Budget of the month.", unit: usd, tests: ["> 0"]}
  p10_usd: {about: "The month ends below it in one case of ten.", unit: usd, tests: [">= 0"]}
  p50_usd: {about: "The month ends below it in one case of two.", unit: usd, tests: [">= 0"]}
  p90_usd: {about: "The month ends below it in nine cases of ten.", unit: usd, tests: [">= 0"]}
  probability_over: {about: "Share of the simulated months that end above the budget.", unit: share, tests: [">= 0", "<= 1"]}
  alert_probability: {about: "Above this share the owner is told, from governance.yaml.", unit: share, tests: [not_null]}
checks:
  quantiles_are_in_order: SELECT team FROM rpt_budget_forecasts WHERE NOT (p10_usd <= p50_usd AND p50_usd <= p90_usd)
*/
SELECT
  status.team,
  status.month,
  status.as_of,
  status.budget_usd,
  forecasts.p10_usd,
  forecasts.p50_usd,
  forecasts.p90_usd,
  forecasts.probability_over,
  budgets.alert_probability
FROM rpt_budget_status AS status
INNER JOIN stg_budgets AS budgets ON status.team = budgets.team
INNER JOIN score_budget_forecasts AS forecasts ON status.team = forecasts.team
WHERE status.is_current
