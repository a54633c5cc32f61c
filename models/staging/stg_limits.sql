/*
description: What one session may cost at list price, from governance.yaml.
kind: view
*/
SELECT
  name AS limit_name,
  scope,
  CAST(usd AS DECIMAL(38, 12)) AS limit_usd,
  severity
FROM seed_limits
