/*
label: Lines removed by agents
description: Lines taken out by changes that agents' editing tools made and that were accepted.
unit: lines
dimensions: [team, division, agent, repository, language]
*/
SELECT sum(lines_removed) AS numerator, 1 AS denominator
FROM fct_code_changes WHERE decision = 'accept' AND day >= $start AND day < $end
