/*
label: Requests with a second witness
description: Share of the requests that at least two channels saw independently, such as session file and gateway.
unit: share
better: up
dimensions: [team, division, agent]
*/
SELECT count(*) FILTER (WHERE channel_count >= 2) AS numerator, count(*) AS denominator
FROM fct_requests WHERE day >= $start AND day < $end
