/*
description: A team has spent more than its budget of the current month, or of the last one within a week of the last event.
severity: critical
notify: budget_owner
key: [team, month]
subject: "{team} has passed its {month_start:%B} budget: ${spent_usd:,.0f} of ${budget_usd:,.0f}"
detail: >
  {team} has spent ${spent_usd:,.2f} at list price from {month_start:%-d %B} to {as_of:%-d %B}. Its budget of the month is
  ${budget_usd:,.2f}, passed on {passed_on:%-d %B}.
next_step: Move some of this work to a cheaper model, or raise the budget in governance.yaml.
see: SELECT * FROM rpt_budget_status WHERE is_current ORDER BY share_used DESC
*/
SELECT
  status.team,
  status.month,
  status.month_start,
  status.as_of,
  status.spent_usd,
  status.budget_usd,
  status.passed_on,
  list({'what': causes.model || ' in ' || causes.repository, 'usd': causes.list_cost_usd} ORDER BY causes.rank) AS causes
FROM rpt_budget_status AS status
INNER JOIN rpt_budget_causes AS causes ON status.team = causes.team AND status.month = causes.month
WHERE
  status.spent_usd > status.budget_usd
  AND (status.is_current OR status.passed_on > (SELECT max(day) FROM dim_days) - 7)
GROUP BY ALL
