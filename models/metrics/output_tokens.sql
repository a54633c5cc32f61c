/*
label: Tokens written
description: Everything models wrote, reasoning included.
unit: tokens
dimensions: [team, division, cost_centre, agent, model, provider, repository]
*/
SELECT sum(output_tokens) AS numerator, 1 AS denominator
FROM fct_requests WHERE day >= $start AND day < $end
