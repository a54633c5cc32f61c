/*
label: Commits with agent evidence
description: Share of commits whose message, author or session names an agent.
unit: share
dimensions: [team, repository]
caveat: A floor, because no evidence means unknown, not human.
*/
SELECT count(*) FILTER (WHERE is_ai_assisted) AS numerator, count(*) AS denominator
FROM fct_commits WHERE NOT is_merge AND day >= $start AND day < $end
