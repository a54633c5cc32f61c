/*
label: Active engineers
description: >
  People with at least one prompt in the window that no schedule, CI or agent gave. Whom the roster lists in another role is left out; whom it does
  not list counts.
unit: people
better: up
dimensions: [team, division, agent]
people: count(DISTINCT person_key)
caveat: Counted anew for each window; never add it up.
*/
SELECT count(DISTINCT person_key) AS numerator, 1 AS denominator
FROM fct_prompts
WHERE origin IN ('person', 'unknown') AND day >= $start AND day < $end AND NOT EXISTS (
  SELECT 1 FROM dim_people AS people
  WHERE people.person_key = fct_prompts.person_key AND NOT people.is_engineer
    AND fct_prompts.day >= people.valid_from AND fct_prompts.day < people.valid_to
)
