/*
label: Model requests
description: Calls of a model that a provider served or refused, each once.
unit: requests
dimensions: [team, division, cost_centre, agent, model, provider, repository]
*/
SELECT count(*) AS numerator, 1 AS denominator
FROM fct_requests WHERE day >= $start AND day < $end
