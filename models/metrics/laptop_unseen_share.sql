/*
label: Requests unseen by laptops
description: Share of the requests that neither an agent's files nor its export told of; only a gateway or a vendor did.
unit: share
better: down
dimensions: [team, division, agent]
*/
SELECT count(*) FILTER (WHERE channels NOT LIKE '%transcript%' AND channels NOT LIKE '%otlp%') AS numerator, count(*) AS denominator
FROM fct_requests WHERE day >= $start AND day < $end
