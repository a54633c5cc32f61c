/*
label: Unpriced requests
description: Share of successful requests whose model or meter has no known list price.
unit: share
better: down
dimensions: [team, division, cost_centre, agent, model, provider, repository]
*/
SELECT count(*) FILTER (WHERE list_cost_pico IS NULL) AS numerator, count(*) AS denominator
FROM fct_requests WHERE status = 'ok' AND day >= $start AND day < $end
