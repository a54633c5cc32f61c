/*
description: >
  One row per commit that a collector found in a work tree or an agent or its vendor reported. Where git has it, git's repository,
  branch, lines and author win. No evidence of an agent means unknown, not human.
grain: [sha]
kind: daily
columns:
  sha: {about: "Full commit id.", tests: [not_null]}
  day: {about: "UTC day of the commit.", tests: [not_null]}
  committed_at: {about: "Committer time.", tests: [not_null]}
  repository: "Repository as host/owner/name."
  branch: "Branch checked out when it was found, if it holds the commit."
  person_key: "Pseudonym of the author, when the author is known."
  team: "Team of the author on that day."
  lines_added: {about: "Lines added, binary files left out; the vendor's count when only a vendor has it, NULL when only an agent does.", unit: lines, tests: [">= 0"]}
  lines_removed: {about: "Lines removed, likewise.", unit: lines, tests: [">= 0"]}
  ai_lines_added: {about: "Lines that the agent's vendor attributes to it; NULL without such a report.", unit: lines, tests: [">= 0"]}
  ai_lines_removed: {about: "Removed lines, likewise.", unit: lines, tests: [">= 0"]}
  files_changed: {about: "Files touched.", unit: files}
  binary_files: {about: "Binary files touched.", unit: files}
  is_merge: "Whether it has two parents or more."
  is_revert: "Whether its message says that it reverts another."
  reverts_sha: "The commit it says it reverts."
  ai_agents: {about: "Agents with evidence on the commit, joined by commas; empty when there is none.", tests: [not_null]}
  ai_evidence: {about: "Kinds of evidence, joined by commas; empty when there is none.", tests: [not_null]}
  is_ai_assisted: {about: "Whether there is evidence of an agent: a floor, not a share of the lines.", tests: [not_null]}
*/
WITH gathered AS (
  SELECT
    commit_sha AS sha,
    min(day) AS first_day,
    min(coalesce(committed_at, occurred_at)) AS committed_at,
    coalesce(max(CASE WHEN source = 'git' THEN repository END), max(repository)) AS repository,
    CASE WHEN bool_or(source = 'git') THEN max(CASE WHEN source = 'git' THEN branch END) ELSE max(branch) END AS branch,
    max(CASE WHEN person_key IN (SELECT person_key FROM dim_people) THEN person_key END) AS roster_key,
    max(CASE WHEN source = 'git' THEN person_key END) AS author_key,
    max(person_key) AS any_person_key,
    coalesce(max(CASE WHEN source = 'git' THEN lines_added END), max(lines_added)) AS lines_added,
    coalesce(max(CASE WHEN source = 'git' THEN lines_removed END), max(lines_removed)) AS lines_removed,
    max(ai_lines_added) AS ai_lines_added,
    max(ai_lines_removed) AS ai_lines_removed,
    max(files_changed) AS files_changed,
    max(binary_files) AS binary_files,
    max(parent_count) AS parent_count,
    bool_or(is_revert) AS is_revert,
    max(reverts_sha) AS reverts_sha,
    bool_or(source = 'git') AS is_from_git,
    array_to_string(list_sort(list_distinct(flatten(list(coalesce(ai_agents, []))))), ',') AS ai_agents,
    array_to_string(list_sort(list_distinct(flatten(list(coalesce(ai_evidence, []))))), ',') AS ai_evidence,
    list_sort(list_distinct(list(day))) AS days_seen
  FROM lake_commit
  WHERE event_id NOT IN (SELECT event_id FROM stg_superseded_events WHERE kind = 'commit')
  GROUP BY commit_sha
),

owned AS (
  -- laptops may know an author by other addresses: whom the roster knows is right
  SELECT *, coalesce(roster_key, CASE WHEN is_from_git THEN author_key ELSE any_person_key END) AS person_key
  FROM gathered
)

SELECT
  owned.sha,
  owned.first_day AS day,
  owned.committed_at,
  owned.repository,
  owned.branch,
  owned.person_key,
  people.team,
  owned.lines_added,
  owned.lines_removed,
  owned.ai_lines_added,
  owned.ai_lines_removed,
  owned.files_changed,
  owned.binary_files,
  coalesce(owned.parent_count >= 2, false) AS is_merge,
  coalesce(owned.is_revert, false) AS is_revert,
  owned.reverts_sha,
  owned.ai_agents,
  owned.ai_evidence,
  owned.ai_agents <> '' AS is_ai_assisted,
  owned.days_seen
FROM owned
LEFT JOIN dim_people AS people
  ON owned.person_key = people.person_key AND owned.first_day >= people.valid_from AND owned.first_day < people.valid_to
WHERE owned.first_day IN (SELECT day FROM run_days)
