/*
label: Lines added by agents
description: Lines in changes that agents' editing tools made and that were accepted.
unit: lines
dimensions: [team, division, agent, repository, language]
caveat: Edits, not code that stayed; never a target, and never added to lines of commits.
*/
SELECT sum(lines_added) AS numerator, 1 AS denominator
FROM fct_code_changes WHERE decision = 'accept' AND day >= $start AND day < $end
