/*
description: >
  Who is expected to report and does not, on the last day known: laptops and gateways that were at work on three of the last
  28 days and gave no sign for two workdays, and agents that a gateway or vendor sees at work while their laptop is silent.
grain: [witness, name]
kind: table
columns:
  witness: {about: "laptop, gateway or agent.", tests: [not_null, [laptop, gateway, agent]]}
  name: {about: "Sender of a laptop, name of a gateway, or person and agent.", tests: [not_null]}
  person_key: "Pseudonym of the person, where one stands for it."
  agent: "Agent that is silent."
  last_seen_on: {about: "Day of the last sign of life.", tests: [not_null]}
  active_days: {about: "Days with signs of life in the 28 days before the last day known.", unit: days}
  silent_workdays: {about: "Workdays since, up to the last day known.", unit: days}
*/
WITH clock AS (
  SELECT max(day) AS last_day, max(day) - 28 AS first_day FROM dim_days
),

requests AS (
  SELECT
    day, sender, person_key, agent, gateway,
    channels LIKE '%transcript%' OR channels LIKE '%otlp%' AS by_laptop
  FROM int_requests
  WHERE day > (SELECT first_day FROM clock)
),

signs AS (
  SELECT 'laptop' AS witness, sender AS name, person_key, CAST(NULL AS VARCHAR) AS agent, day
  FROM requests
  WHERE by_laptop AND sender IS NOT NULL
  UNION ALL
  SELECT 'laptop', sender, person_key, NULL, day
  FROM lake_heartbeat
  WHERE sender IS NOT NULL AND day > (SELECT first_day FROM clock)
  UNION ALL
  SELECT 'gateway', gateway, NULL, NULL, day
  FROM requests
  WHERE gateway IS NOT NULL
  UNION ALL
  SELECT 'agent', concat(person_key, ' ', agent), person_key, agent, day
  FROM requests
  WHERE by_laptop AND person_key IS NOT NULL
),

known AS (
  SELECT
    witness, name, max(person_key) AS person_key, max(agent) AS agent, max(day) AS last_seen_on, count(DISTINCT day) AS active_days
  FROM signs
  GROUP BY witness, name
),

-- elsewhere the agent was seen at work after its laptop fell silent
at_work AS (
  SELECT person_key, agent, max(day) AS worked_on
  FROM requests
  WHERE NOT by_laptop AND person_key IS NOT NULL
  GROUP BY person_key, agent
),

quiet AS (
  SELECT known.witness, known.name, count(*) AS silent_workdays
  FROM known
  INNER JOIN dim_days AS days ON days.day > known.last_seen_on AND NOT days.is_weekend
  GROUP BY known.witness, known.name
)

SELECT
  known.witness, known.name, known.person_key, known.agent, known.last_seen_on, known.active_days, quiet.silent_workdays
FROM known
INNER JOIN quiet ON known.witness = quiet.witness AND known.name = quiet.name
LEFT JOIN at_work ON known.person_key = at_work.person_key AND known.agent = at_work.agent
WHERE (known.witness <> 'agent' AND known.active_days >= 3 AND quiet.silent_workdays >= 2)
  OR (known.witness = 'agent' AND at_work.worked_on > known.last_seen_on)
