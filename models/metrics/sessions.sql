/*
label: Sessions
description: Runs of an agent with at least one model request, by the day on which they began.
unit: sessions
dimensions: [team, division, agent, repository]
*/
SELECT count(*) AS numerator, 1 AS denominator
FROM fct_sessions WHERE requests > 0 AND day >= $start AND day < $end
