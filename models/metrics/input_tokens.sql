/*
label: Tokens read
description: Everything models read, cache included.
unit: tokens
dimensions: [team, division, cost_centre, agent, model, provider, repository]
*/
SELECT sum(input_tokens) AS numerator, 1 AS denominator
FROM fct_requests WHERE day >= $start AND day < $end
