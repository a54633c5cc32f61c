/*
label: Merged pull requests with agent evidence
description: Share of merged pull requests with evidence of an agent.
unit: share
dimensions: [team, repository]
caveat: A floor, because no evidence means unknown, not human.
*/
SELECT count(*) FILTER (WHERE is_ai_assisted) AS numerator, count(*) AS denominator
FROM fct_pull_requests WHERE state = 'merged' AND day >= $start AND day < $end
