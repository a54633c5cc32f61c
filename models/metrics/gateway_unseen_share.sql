/*
label: Requests unseen by gateways
description: Share of the requests that no gateway logged.
unit: share
better: down
dimensions: [team, division, agent]
*/
SELECT count(*) FILTER (WHERE channels NOT LIKE '%gateway%') AS numerator, count(*) AS denominator
FROM fct_requests WHERE day >= $start AND day < $end
