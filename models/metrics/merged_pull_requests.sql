/*
label: Merged pull requests
description: Pull requests merged in the window.
unit: pull requests
dimensions: [team, repository]
*/
SELECT count(*) AS numerator, 1 AS denominator
FROM fct_pull_requests WHERE state = 'merged' AND day >= $start AND day < $end
