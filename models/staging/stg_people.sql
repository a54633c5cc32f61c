/*
description: Who belongs to which team from when until when; half-open dates, an empty end is open.
kind: view
*/
SELECT
  person_key,
  team,
  role,
  lower(coalesce(is_engineer, 'true')) IN ('true', 'yes', '1') AS is_engineer,
  CAST(coalesce(valid_from, '1970-01-01') AS DATE) AS valid_from,
  CAST(coalesce(valid_to, '9999-12-31') AS DATE) AS valid_to
FROM seed_people
