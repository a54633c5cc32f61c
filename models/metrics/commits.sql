/*
label: Commits
description: Commits found in work trees that sessions named, merges left out.
unit: commits
dimensions: [team, repository]
*/
SELECT count(*) AS numerator, 1 AS denominator
FROM fct_commits WHERE NOT is_merge AND day >= $start AND day < $end
