/*
description: Teams with division and cost centre from when until when; half-open dates, an empty end is open.
kind: view
*/
SELECT
  team,
  division,
  cost_centre,
  owner,
  CAST(coalesce(valid_from, '1970-01-01') AS DATE) AS valid_from,
  CAST(coalesce(valid_to, '9999-12-31') AS DATE) AS valid_to
FROM seed_teams
