/*
label: Agent spend
description: Tokens of all requests at the public list price of their day.
unit: usd
dimensions: [team, division, cost_centre, agent, model, provider, repository]
caveat: List price is not the bill; requests without a price are missing, see Unpriced requests.
*/
SELECT sum(list_cost_usd) AS numerator, 1 AS denominator
FROM fct_requests WHERE day >= $start AND day < $end
