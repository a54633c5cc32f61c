/*
label: Failed requests
description: Share of requests that ended in an error, a rate limit, a refusal or a cancel.
unit: share
better: down
dimensions: [team, division, cost_centre, agent, model, provider, repository]
*/
SELECT count(*) FILTER (WHERE status <> 'ok') AS numerator, count(*) AS denominator
FROM fct_requests WHERE day >= $start AND day < $end
