/*
label: Share of engineers active
description: >
  Of the engineers on the roster on the last day of the window, the share with at least one prompt in it
  that no schedule, CI or agent gave.
unit: share
better: up
dimensions: [team]
people: count(DISTINCT active_key)
caveat: Eligible is who the roster lists as an engineer; leave and part time are not known.
*/
SELECT count(DISTINCT active_key) AS numerator, count(DISTINCT person_key) AS denominator
FROM (
  SELECT people.person_key, people.team, prompts.person_key AS active_key
  FROM dim_people AS people
  LEFT JOIN fct_prompts AS prompts
    ON people.person_key = prompts.person_key AND prompts.origin IN ('person', 'unknown')
      AND prompts.day >= $start AND prompts.day < $end
  WHERE people.is_engineer AND people.valid_from < $end AND people.valid_to >= $end
) AS eligible
