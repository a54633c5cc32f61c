/*
description: The three pairs of model and repository that cost each team with a budget the most, month by month.
grain: [team, month, rank]
kind: table
columns:
  team: {about: "Team as named in governance.yaml.", tests: [not_null]}
  month: {about: "Month such as 2026-11.", tests: [not_null]}
  rank: {about: "1 is the most expensive.", tests: [not_null, ">= 1"]}
  model: {about: "Model as reported, or (unknown).", tests: [not_null]}
  repository: {about: "Repository as host/owner/name, or (no repository).", tests: [not_null]}
  list_cost_usd: {about: "Sum of the known list costs.", unit: usd, tests: ["> 0"]}
*/
WITH spent AS (
  SELECT
    status.team,
    status.month,
    coalesce(requests.model, '(unknown)') AS model,
    coalesce(requests.repository, '(no repository)') AS repository,
    sum(requests.list_cost_usd) AS list_cost_usd
  FROM rpt_budget_status AS status
  INNER JOIN fct_requests AS requests
    ON status.team = requests.team AND requests.day >= status.month_start AND requests.day <= status.as_of
  WHERE requests.list_cost_usd > 0
  GROUP BY ALL
),

ranked AS (
  SELECT *, row_number() OVER (PARTITION BY team, month ORDER BY list_cost_usd DESC, model, repository) AS rank
  FROM spent
)

SELECT team, month, rank, model, repository, list_cost_usd
FROM ranked
WHERE rank <= 3
