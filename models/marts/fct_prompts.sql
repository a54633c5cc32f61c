/*
description: One row per prompt that started work, without its text. A day with one that no schedule, CI or agent gave is an active day.
grain: [prompt_key]
kind: daily
columns:
  prompt_key: {about: "The agent's id of the prompt, made unique.", tests: [not_null]}
  day: {about: "UTC day of the prompt.", tests: [not_null]}
  prompted_at: {about: "When it was given.", tests: [not_null]}
  session_id: {about: "Session that owns it.", tests: [not_null]}
  agent: {about: "Product that was asked.", tests: [not_null]}
  person_key: "Pseudonym of the person."
  team: "Team of the person on that day."
  division: "Division of the team on that day."
  repository: "Repository as host/owner/name."
  origin: {about: "person, schedule, ci, agent, or unknown where the file does not tell.", tests: [not_null]}
*/
WITH placed AS (
  SELECT
    *,
    min(day) OVER (PARTITION BY prompt_key) AS first_day,
    min(occurred_at) OVER (PARTITION BY prompt_key) AS prompted_at,
    row_number() OVER (
      PARTITION BY prompt_key
      ORDER BY coalesce(session_started_at, occurred_at),
        CASE WHEN parent_session_id IS NOT NULL AND NOT coalesce(is_subagent, false) THEN 1 ELSE 0 END, session_id, occurred_at, event_id
    ) AS owner_rank
  FROM stg_prompts
),

days AS (
  SELECT prompt_key, list_sort(list_distinct(list(day))) AS days_seen
  FROM placed
  GROUP BY prompt_key
  HAVING min(day) < max(day)
)

SELECT
  placed.prompt_key,
  placed.first_day AS day,
  placed.prompted_at,
  placed.session_id,
  placed.agent,
  placed.person_key,
  people.team,
  teams.division,
  placed.repository,
  coalesce(placed.origin, 'unknown') AS origin,
  days.days_seen
FROM placed
LEFT JOIN days ON placed.prompt_key = days.prompt_key
LEFT JOIN dim_people AS people
  ON placed.person_key = people.person_key AND placed.first_day >= people.valid_from AND placed.first_day < people.valid_to
LEFT JOIN dim_teams AS teams
  ON people.team = teams.team AND placed.first_day >= teams.valid_from AND placed.first_day < teams.valid_to
WHERE placed.owner_rank = 1 AND placed.first_day IN (SELECT day FROM run_days)
