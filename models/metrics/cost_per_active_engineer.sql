/*
label: Spend per person using agents
description: List-price spend of people divided by the people who caused it.
unit: usd
dimensions: [team, division, agent]
people: count(DISTINCT person_key)
*/
SELECT sum(list_cost_usd) AS numerator, count(DISTINCT person_key) AS denominator
FROM fct_requests WHERE person_key IS NOT NULL AND day >= $start AND day < $end
