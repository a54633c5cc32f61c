/*
label: Prompts
description: Prompts to agents, but for those that a schedule, CI or another agent gave.
unit: prompts
dimensions: [team, division, agent, repository]
*/
SELECT count(*) AS numerator, 1 AS denominator
FROM fct_prompts WHERE origin IN ('person', 'unknown') AND day >= $start AND day < $end
