/*
description: One row per session of an agent, with what it did and cost. Sub-agent threads with an own id are rows with a parent.
grain: [agent, session_id]
kind: keyed
follows: fct_session_days
columns:
  agent: {about: "Product that ran.", tests: [not_null]}
  session_id: {about: "The agent's own id of the run.", tests: [not_null]}
  parent_session_id: "Session it was forked, resumed or spawned from."
  started_by: "fresh, resume, fork or subagent, where the file tells."
  day: {about: "UTC day of the first thing seen.", tests: [not_null]}
  started_at: {about: "First thing seen.", tests: [not_null]}
  ended_at: {about: "Last thing seen so far.", tests: [not_null]}
  agent_version: "Latest version seen."
  surface: "Where the agent ran."
  person_key: "Pseudonym of the person."
  team: "Team of the person on the first day."
  division: "Division of the team on the first day."
  repository: "Repository worked in; of several, the first in alphabetical order."
  branch: "Branch worked on; of several, the first in alphabetical order."
  requests: {about: "Model requests.", unit: requests, tests: [">= 0"]}
  failed_requests: {about: "Requests with a status other than ok.", unit: requests}
  prompts: {about: "Prompts, but for those that a schedule, CI or an agent gave.", unit: prompts}
  tool_calls: {about: "Tool calls.", unit: calls}
  failed_tool_calls: {about: "Tool calls that ran and did not succeed; refused ones are not here.", unit: calls}
  lines_added: {about: "Lines added by accepted changes.", unit: lines}
  lines_removed: {about: "Lines removed by accepted changes.", unit: lines}
  input_tokens: {about: "Everything read, cache included.", unit: tokens}
  output_tokens: {about: "Everything written.", unit: tokens}
  unpriced_requests: {about: "Successful requests without a list price; their cost is missing below.", unit: requests}
  list_cost_pico: {about: "Sum of the known list costs; NULL when none is known.", unit: "1e-12 usd"}
  list_cost_usd: {about: "The same in dollars, exact.", unit: usd}
*/
WITH sessions AS (
  SELECT
    agent, session_id, min(started_at) AS started_at, max(ended_at) AS ended_at, max(agent_version) AS agent_version,
    max(surface) AS surface, max(person_key) AS person_key, min(repository) AS repository, min(branch) AS branch,
    max(parent_session_id) AS parent_session_id, coalesce(max(started_by_of_child), max(started_by)) AS started_by,
    CAST(sum(requests) AS BIGINT) AS requests, CAST(sum(failed_requests) AS BIGINT) AS failed_requests,
    CAST(sum(prompts) AS BIGINT) AS prompts, CAST(sum(tool_calls) AS BIGINT) AS tool_calls,
    CAST(sum(failed_tool_calls) AS BIGINT) AS failed_tool_calls, CAST(sum(lines_added) AS BIGINT) AS lines_added,
    CAST(sum(lines_removed) AS BIGINT) AS lines_removed, CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
    CAST(sum(output_tokens) AS BIGINT) AS output_tokens, CAST(sum(unpriced_requests) AS BIGINT) AS unpriced_requests,
    CAST(sum(list_cost_pico) AS BIGINT) AS list_cost_pico
  FROM fct_session_days
  GROUP BY agent, session_id
  HAVING min(started_at) IS NOT NULL
)

SELECT
  sessions.agent,
  sessions.session_id,
  sessions.parent_session_id,
  sessions.started_by,
  CAST(sessions.started_at AS DATE) AS day,
  sessions.started_at,
  sessions.ended_at,
  sessions.agent_version,
  sessions.surface,
  sessions.person_key,
  people.team,
  teams.division,
  sessions.repository,
  sessions.branch,
  sessions.requests,
  sessions.failed_requests,
  sessions.prompts,
  sessions.tool_calls,
  sessions.failed_tool_calls,
  sessions.lines_added,
  sessions.lines_removed,
  sessions.input_tokens,
  sessions.output_tokens,
  sessions.unpriced_requests,
  sessions.list_cost_pico,
  CAST(CAST(sessions.list_cost_pico AS DECIMAL(19, 0)) * CAST('0.000000000001' AS DECIMAL(13, 12)) AS DECIMAL(38, 12)) AS list_cost_usd
FROM sessions
LEFT JOIN dim_people AS people
  ON sessions.person_key = people.person_key AND CAST(sessions.started_at AS DATE) >= people.valid_from
  AND CAST(sessions.started_at AS DATE) < people.valid_to
LEFT JOIN dim_teams AS teams
  ON people.team = teams.team AND CAST(sessions.started_at AS DATE) >= teams.valid_from
  AND CAST(sessions.started_at AS DATE) < teams.valid_to
