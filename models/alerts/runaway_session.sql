/*
description: One session of an agent cost more than a session may; of those that began within two weeks of the last event.
severity: critical
notify: limit_owner
key: [agent, session_id]
subject: "A session of {team} ran away: ${list_cost_usd:,.0f} in {hours:.1f} hours, the limit is ${limit_usd:,.0f}"
detail: >
  Session {session_id} of {agent} in {repository} made {requests:,} requests for ${list_cost_usd:,.2f} at list price. It began
  on {started_at:%-d %B at %H:%M} UTC and was last seen {hours:.1f} hours later. The limit {limit_name} is ${limit_usd:,.2f}.
next_step: Make sure that it has ended; then look for what it repeated.
see: SELECT * FROM rpt_runaway_sessions ORDER BY list_cost_usd DESC
*/
WITH runaways AS (
  SELECT *, row_number() OVER (PARTITION BY agent, session_id ORDER BY limit_usd DESC, limit_name) AS limit_rank
  FROM rpt_runaway_sessions
  WHERE day > (SELECT max(day) FROM dim_days) - 14
),

models AS (
  SELECT
    runaways.agent,
    runaways.session_id,
    coalesce(requests.model, '(unknown)') AS model,
    count(*) AS requests,
    sum(requests.list_cost_usd) AS list_cost_usd
  FROM runaways
  INNER JOIN fct_requests AS requests
    ON
      runaways.agent = requests.agent
      AND (
        runaways.session_id = requests.session_id
        OR (requests.is_subagent AND runaways.session_id = requests.parent_session_id)
      )
  WHERE runaways.limit_rank = 1 AND requests.list_cost_usd > 0
  GROUP BY ALL
),

ranked AS (
  SELECT *, row_number() OVER (PARTITION BY agent, session_id ORDER BY list_cost_usd DESC, model) AS rank
  FROM models
)

SELECT
  runaways.agent,
  runaways.session_id,
  coalesce(runaways.team, '(no team)') AS team,
  coalesce(runaways.repository, '(no repository)') AS repository,
  runaways.started_at,
  runaways.hours,
  runaways.requests,
  runaways.list_cost_usd,
  runaways.limit_name,
  runaways.limit_usd,
  runaways.severity,
  list({'what': ranked.model, 'usd': ranked.list_cost_usd} ORDER BY ranked.rank) AS causes
FROM runaways
INNER JOIN ranked ON runaways.agent = ranked.agent AND runaways.session_id = ranked.session_id
WHERE runaways.limit_rank = 1 AND ranked.rank <= 3
GROUP BY ALL
