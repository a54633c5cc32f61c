/*
label: Cache share of tokens read
description: Share of the tokens read that came from the provider's cache, at a fraction of the price.
unit: share
better: up
dimensions: [team, division, cost_centre, agent, model, provider, repository]
*/
SELECT sum(cache_read_tokens) AS numerator, sum(input_tokens) AS denominator
FROM fct_requests WHERE day >= $start AND day < $end
