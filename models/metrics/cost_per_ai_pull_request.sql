/*
label: Spend per merged AI pull request
description: All list-price spend, failed and exploratory sessions included, over the merged pull requests with evidence of an agent.
unit: usd
dimensions: [team, repository]
caveat: Mixes in work that led to no pull request, and rewards small ones; read the trend.
*/
SELECT sum(list_cost_usd) AS numerator, count(merged_on) AS denominator
FROM (
  SELECT day, team, repository, list_cost_usd, CAST(NULL AS DATE) AS merged_on FROM fct_requests
  UNION ALL
  SELECT day, team, repository, NULL, day FROM fct_pull_requests WHERE state = 'merged' AND is_ai_assisted
) AS spent_and_merged
WHERE day >= $start AND day < $end
