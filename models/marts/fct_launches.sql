/*
description: One row per start of an agent through `meterhouse-collector exec`; session_id ties it to what the agent then did.
grain: [launch_id]
kind: daily
columns:
  launch_id: {about: "Start of the agent; its telemetry carries the same id.", tests: [not_null]}
  day: {about: "UTC day of the start.", tests: [not_null]}
  started_at: {about: "When it was started.", tests: [not_null]}
  agent: {about: "Product that was started; other for one that the collector does not know.", tests: [not_null]}
  agent_version: "Its version, when a file told it."
  session_id: "Session that it began or went on with, when the wrapper could know it."
  person_key: "Pseudonym of the person."
  team: "Team of the person on that day."
  origin: {about: "person, schedule, ci, agent, or unknown where nothing could be seen.", tests: [not_null]}
  gateway: "Gateway that was put in place, if one was."
  platform: "linux, darwin or windows."
  exit_code: "Exit code, when the wrapper waited; a negative one is the signal that ended it."
  duration_ms: {about: "How long it ran, when the wrapper waited.", unit: ms, tests: [">= 0"]}
*/
WITH gathered AS (
  SELECT
    launch_id,
    min(day) AS first_day,
    min(occurred_at) AS started_at,
    max(agent) AS agent,
    max(agent_version) AS agent_version,
    max(session_id) AS session_id,
    max(person_key) AS person_key,
    max(origin) AS origin,
    max(gateway) AS gateway,
    max(platform) AS platform,
    max(exit_code) AS exit_code,
    max(duration_ms) AS duration_ms,
    list_sort(list_distinct(list(day))) AS days_seen
  FROM lake_launch
  GROUP BY launch_id
)

SELECT
  gathered.launch_id,
  gathered.first_day AS day,
  gathered.started_at,
  gathered.agent,
  gathered.agent_version,
  gathered.session_id,
  gathered.person_key,
  people.team,
  coalesce(gathered.origin, 'unknown') AS origin,
  gathered.gateway,
  gathered.platform,
  gathered.exit_code,
  gathered.duration_ms,
  gathered.days_seen
FROM gathered
LEFT JOIN dim_people AS people
  ON gathered.person_key = people.person_key AND gathered.first_day >= people.valid_from AND gathered.first_day < people.valid_to
WHERE gathered.first_day IN (SELECT day FROM run_days)
