/*
description: Teams with division and cost centre over time. Join on team and a day within [valid_from, valid_to).
grain: [team, valid_from]
kind: table
columns:
  team: {about: "Name of the team.", tests: [not_null]}
  division: "Division in this period."
  cost_centre: "Cost centre in this period."
  owner: "Role that answers for its spend."
  valid_from: {about: "First day.", tests: [not_null]}
  valid_to: {about: "Day after the last day.", tests: [not_null]}
checks:
  periods_do_not_overlap: >
    SELECT one.team FROM dim_teams AS one INNER JOIN dim_teams AS two
    ON one.team = two.team AND one.valid_from < two.valid_from AND two.valid_from < one.valid_to
*/
SELECT team, division, cost_centre, owner, valid_from, valid_to
FROM stg_teams
