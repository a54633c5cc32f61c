/*
description: People by pseudonym, with their team over time. Join on person_key and a day within [valid_from, valid_to).
grain: [person_key, valid_from]
kind: table
columns:
  person_key: {about: "Pseudonym of the person.", tests: [not_null]}
  team: {about: "Team in this period.", tests: [not_null]}
  role: "Role in this period."
  is_engineer: {about: "Whether the person counts as an eligible engineer.", tests: [not_null]}
  valid_from: {about: "First day.", tests: [not_null]}
  valid_to: {about: "Day after the last day.", tests: [not_null]}
checks:
  periods_do_not_overlap: >
    SELECT one.person_key FROM dim_people AS one INNER JOIN dim_people AS two
    ON one.person_key = two.person_key AND one.valid_from < two.valid_from AND two.valid_from < one.valid_to
*/
SELECT person_key, team, role, is_engineer, valid_from, valid_to
FROM stg_people
