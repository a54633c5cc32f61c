/*
description: A team that is within its budget of the month is likely to pass it before the month ends; from the third day on.
severity: warning
notify: budget_owner
key: [team, month]
subject: "{team} is likely to pass its {month_start:%B} budget: ${p50_usd:,.0f} expected, ${budget_usd:,.0f} budgeted"
detail: >
  {team} has spent ${spent_usd:,.2f} at list price by {as_of:%-d %B} and is expected to end {month_start:%B} between
  ${p10_usd:,.0f} and ${p90_usd:,.0f}, in the middle at ${p50_usd:,.0f}. The chance of passing ${budget_usd:,.2f} is
  {probability_over:.0%}.
next_step: Look at this work while there is time, or raise the budget in governance.yaml.
see: SELECT * FROM rpt_budget_forecasts ORDER BY probability_over DESC
*/
SELECT
  status.team,
  status.month,
  status.month_start,
  status.as_of,
  status.spent_usd,
  status.budget_usd,
  forecasts.p10_usd,
  forecasts.p50_usd,
  forecasts.p90_usd,
  least(forecasts.probability_over, 0.99) AS probability_over, -- no forecast is certain
  list({'what': causes.model || ' in ' || causes.repository, 'usd': causes.list_cost_usd} ORDER BY causes.rank) AS causes
FROM rpt_budget_forecasts AS forecasts
INNER JOIN rpt_budget_status AS status ON forecasts.team = status.team AND forecasts.month = status.month
INNER JOIN rpt_budget_causes AS causes ON status.team = causes.team AND status.month = causes.month
WHERE
  forecasts.probability_over > forecasts.alert_probability
  AND status.spent_usd <= status.budget_usd
  AND day(status.as_of) >= 3
GROUP BY ALL
