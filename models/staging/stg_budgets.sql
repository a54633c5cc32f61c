/*
description: What each team may spend a calendar month at list price, from governance.yaml; the same for all months.
kind: view
*/
SELECT
  team,
  CAST(month_usd AS DECIMAL(38, 12)) AS budget_usd,
  CAST(alert_probability AS DECIMAL(5, 4)) AS alert_probability
FROM seed_budgets
