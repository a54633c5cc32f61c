/*
label: Failed tool calls
description: Share of tool calls that ran and did not do what they were asked; refused calls did not run.
unit: share
better: down
dimensions: [team, agent, repository, tool_name]
*/
SELECT count(*) FILTER (WHERE NOT success) AS numerator, count(*) FILTER (WHERE success IS NOT NULL) AS denominator
FROM fct_tool_calls
WHERE decision IS DISTINCT FROM 'reject' AND day >= $start AND day < $end
