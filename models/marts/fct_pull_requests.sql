/*
description: One row per pull request, in the latest state that a channel saw.
grain: [repository, pull_request_number]
kind: table
columns:
  repository: {about: "Repository as host/owner/name.", tests: [not_null]}
  pull_request_number: {about: "Number within the repository.", tests: [not_null]}
  state: {about: "open, merged or closed.", tests: [not_null]}
  day: {about: "UTC day on which it was merged, or else opened, or else first seen.", tests: [not_null]}
  opened_at: "When it was opened."
  merged_at: "When it was merged."
  closed_at: "When it was closed."
  person_key: "Pseudonym of the author."
  team: "Team of the author on that day."
  lines_added: {about: "Lines added against the merge base.", unit: lines}
  lines_removed: {about: "Lines removed against the merge base.", unit: lines}
  files_changed: {about: "Files touched.", unit: files}
  is_ai_assisted: {about: "Whether any channel has evidence of an agent: a floor.", tests: [not_null]}
*/
WITH ranked AS (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY repository, pull_request_number
      ORDER BY CASE pull_request_state WHEN 'merged' THEN 0 WHEN 'closed' THEN 1 ELSE 2 END, occurred_at DESC, event_id
    ) AS state_rank
  FROM lake_pull_request
),

gathered AS (
  SELECT
    repository,
    pull_request_number,
    max(CASE WHEN state_rank = 1 THEN pull_request_state END) AS state,
    min(coalesce(opened_at, occurred_at)) AS opened_at,
    max(merged_at) AS merged_at,
    max(closed_at) AS closed_at,
    max(person_key) AS person_key,
    max(CASE WHEN state_rank = 1 THEN lines_added END) AS lines_added,
    max(CASE WHEN state_rank = 1 THEN lines_removed END) AS lines_removed,
    max(CASE WHEN state_rank = 1 THEN files_changed END) AS files_changed,
    bool_or(len(coalesce(ai_agents, [])) > 0) AS is_ai_assisted
  FROM ranked
  GROUP BY repository, pull_request_number
),

dated AS (
  SELECT *, CAST(coalesce(merged_at, opened_at) AS DATE) AS day
  FROM gathered
)

SELECT
  dated.repository,
  dated.pull_request_number,
  dated.state,
  dated.day,
  dated.opened_at,
  dated.merged_at,
  dated.closed_at,
  dated.person_key,
  people.team,
  dated.lines_added,
  dated.lines_removed,
  dated.files_changed,
  dated.is_ai_assisted
FROM dated
LEFT JOIN dim_people AS people
  ON dated.person_key = people.person_key AND dated.day >= people.valid_from AND dated.day < people.valid_to
