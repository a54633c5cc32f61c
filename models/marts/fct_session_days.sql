/*
description: >
  What each session of an agent did and cost on each UTC day: the parts that fct_sessions adds up, so that a new day does not mean
  reading all earlier ones again.
grain: [agent, session_id, day]
kind: daily
columns:
  agent: {about: "Product that ran.", tests: [not_null]}
  session_id: {about: "The agent's own id of the run.", tests: [not_null]}
  day: {about: "UTC day.", tests: [not_null]}
  started_at: "First thing seen on that day; NULL where only changes of code are known of it."
  ended_at: "Last thing seen on that day."
  parent_session_id: "Session it was forked, resumed or spawned from."
  started_by: "fresh, resume, fork or subagent, where the file tells."
  started_by_of_child: "The same, of those records that name a parent."
  agent_version: "Latest version seen."
  surface: "Where the agent ran."
  person_key: "Pseudonym of the person."
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
*/
WITH requests AS (
  SELECT
    agent, session_id, day, min(started_at) AS started_at, max(started_at) AS ended_at,
    max(parent_session_id) AS parent_session_id, max(agent_version) AS agent_version, max(surface) AS surface,
    max(person_key) AS person_key, min(repository) AS repository, min(branch) AS branch,
    count(*) AS requests, count(*) FILTER (WHERE status <> 'ok') AS failed_requests,
    CAST(sum(input_tokens) AS BIGINT) AS input_tokens, CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
    count(*) FILTER (WHERE status = 'ok' AND list_cost_pico IS NULL) AS unpriced_requests,
    CAST(sum(list_cost_pico) AS BIGINT) AS list_cost_pico
  FROM fct_requests
  WHERE day IN (SELECT day FROM run_days)
  GROUP BY agent, session_id, day
),

prompts AS (
  SELECT
    agent, session_id, day, min(prompted_at) AS started_at, max(prompted_at) AS ended_at, max(person_key) AS person_key,
    min(repository) AS repository, count(*) FILTER (WHERE origin IN ('person', 'unknown')) AS prompts
  FROM fct_prompts
  WHERE day IN (SELECT day FROM run_days)
  GROUP BY agent, session_id, day
),

calls AS (
  SELECT
    agent, session_id, day, min(called_at) AS started_at, max(called_at) AS ended_at, max(agent_version) AS agent_version,
    max(person_key) AS person_key, min(repository) AS repository, min(branch) AS branch,
    count(*) AS tool_calls, count(*) FILTER (WHERE NOT success AND decision IS DISTINCT FROM 'reject') AS failed_tool_calls
  FROM fct_tool_calls
  WHERE day IN (SELECT day FROM run_days)
  GROUP BY agent, session_id, day
),

changes AS (
  SELECT
    agent, session_id, day, CAST(sum(lines_added) AS BIGINT) AS lines_added, CAST(sum(lines_removed) AS BIGINT) AS lines_removed
  FROM fct_code_changes
  WHERE decision = 'accept' AND day IN (SELECT day FROM run_days)
  GROUP BY agent, session_id, day
),

records AS (
  SELECT
    agent, session_id, day, min(occurred_at) AS started_at, max(occurred_at) AS ended_at,
    max(parent_session_id) AS parent_session_id, max(started_by) AS started_by,
    max(CASE WHEN parent_session_id IS NOT NULL THEN started_by END) AS started_by_of_child,
    max(agent_version) AS agent_version, max(surface) AS surface, max(person_key) AS person_key,
    min(repository) AS repository, min(branch) AS branch
  FROM lake_session
  WHERE day IN (SELECT day FROM run_days)
  GROUP BY agent, session_id, day
),

keys AS (
  SELECT agent, session_id, day FROM requests
  UNION SELECT agent, session_id, day FROM prompts
  UNION SELECT agent, session_id, day FROM calls
  UNION SELECT agent, session_id, day FROM changes
  UNION SELECT agent, session_id, day FROM records
)

SELECT
  keys.agent,
  keys.session_id,
  keys.day,
  least(requests.started_at, prompts.started_at, calls.started_at, records.started_at) AS started_at,
  greatest(requests.ended_at, prompts.ended_at, calls.ended_at, records.ended_at) AS ended_at,
  greatest(requests.parent_session_id, records.parent_session_id) AS parent_session_id,
  records.started_by,
  records.started_by_of_child,
  greatest(requests.agent_version, calls.agent_version, records.agent_version) AS agent_version,
  greatest(requests.surface, records.surface) AS surface,
  greatest(requests.person_key, prompts.person_key, calls.person_key, records.person_key) AS person_key,
  least(requests.repository, prompts.repository, calls.repository, records.repository) AS repository,
  least(requests.branch, calls.branch, records.branch) AS branch,
  coalesce(requests.requests, 0) AS requests,
  coalesce(requests.failed_requests, 0) AS failed_requests,
  coalesce(prompts.prompts, 0) AS prompts,
  coalesce(calls.tool_calls, 0) AS tool_calls,
  coalesce(calls.failed_tool_calls, 0) AS failed_tool_calls,
  coalesce(changes.lines_added, 0) AS lines_added,
  coalesce(changes.lines_removed, 0) AS lines_removed,
  requests.input_tokens,
  requests.output_tokens,
  coalesce(requests.unpriced_requests, 0) AS unpriced_requests,
  requests.list_cost_pico
FROM keys
LEFT JOIN requests ON keys.agent = requests.agent AND keys.session_id = requests.session_id AND keys.day = requests.day
LEFT JOIN prompts ON keys.agent = prompts.agent AND keys.session_id = prompts.session_id AND keys.day = prompts.day
LEFT JOIN calls ON keys.agent = calls.agent AND keys.session_id = calls.session_id AND keys.day = calls.day
LEFT JOIN changes ON keys.agent = changes.agent AND keys.session_id = changes.session_id AND keys.day = changes.day
LEFT JOIN records ON keys.agent = records.agent AND keys.session_id = records.session_id AND keys.day = records.day
