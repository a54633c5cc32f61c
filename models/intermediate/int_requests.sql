/*
description: >
  One row per request, resolved from all observations. Session and people come from the owner: the laptop's own witness, and
  of several sessions the one with the oldest beginning, because a fork copies history. Tokens come from the usage witness:
  an answer before a failure, the gateway before the agent's export before its file, and the largest output of a stream.
  What that witness does not say is taken from the others.
grain: [request_id]
kind: daily
placed_by: int_request_links
columns:
  request_id: {about: "The provider's id of the response, or the agent's own within the session.", tests: [not_null]}
  day: {about: "UTC day on which the request was first seen.", tests: [not_null]}
  started_at: {about: "Earliest time at which a channel saw it.", tests: [not_null]}
  session_id: {about: "Session that owns it.", tests: [not_null]}
  parent_session_id: "Session that the owner was forked or spawned from."
  agent: {about: "Product that spent it.", tests: [not_null]}
  agent_version: "Version of the agent."
  surface: "Where the agent ran."
  person_key: "Pseudonym of the person."
  sender: "Collector that sent the owner's observation."
  repository: "Repository as host/owner/name."
  branch: "Branch checked out."
  is_subagent: "Whether a sub-agent made the request."
  prompt_id: "Prompt that led to it."
  launch_id: "Start of the agent through the wrapper."
  query_source: "main, subagent or auxiliary."
  provider: "Who served the model."
  model: "Model as reported."
  model_requested: "Model that the client asked for."
  status: {about: "ok, error, rate_limited, refused or cancelled.", tests: [not_null]}
  http_status: "HTTP status of the final answer."
  error_class: "Class of the failure."
  input_tokens: {about: "Everything read, cache included.", unit: tokens, tests: [">= 0"]}
  cache_read_tokens: {about: "Part of input read from the cache.", unit: tokens, tests: [">= 0"]}
  cache_write_tokens: {about: "Part of input written to the cache.", unit: tokens, tests: [">= 0"]}
  cache_write_5m_tokens: {about: "Part of cache writes kept five minutes.", unit: tokens}
  cache_write_1h_tokens: {about: "Part of cache writes kept one hour.", unit: tokens}
  output_tokens: {about: "Everything written, reasoning included.", unit: tokens, tests: [">= 0"]}
  reasoning_tokens: {about: "Part of output spent on reasoning.", unit: tokens}
  web_search_requests: {about: "Web searches billed by the provider.", unit: requests}
  service_tier: "Service tier."
  speed: "standard or fast."
  processing: "realtime or batch."
  inference_geo: "Region restriction."
  effort: "Reasoning effort."
  duration_ms: {about: "Duration.", unit: ms}
  time_to_first_token_ms: {about: "Time to first token.", unit: ms}
  reported_cost_usd: {about: "Cost that a channel itself stated; never added to list cost.", unit: usd}
  reported_cost_basis: "client_estimate, gateway_list or provider_invoiced."
  amount_usd: {about: "What the vendor's report says it charges for this request.", unit: usd}
  is_billable: "False when the vendor says that it charges nothing for it."
  gateway: "Gateway that carried it."
  gateway_team: "Team as the gateway names it."
  gateway_key: "Alias of the gateway key."
  tags: "Tags given at the gateway, in alphabetical order, joined by commas."
  end_user_key: "Pseudonym of the end user named at the gateway."
  limited_by: "Who refused because of a limit: provider or gateway."
  limit_dimension: "What was limited."
  is_gateway_cache_hit: "Whether the gateway answered from its own cache."
  is_subscription: "Whether a subscription pays for it."
  channels: {about: "Witnesses, in alphabetical order, joined by commas.", tests: [not_null]}
  channel_count: {about: "Number of witnesses.", unit: channels, tests: [">= 1"]}
  observation_count: {about: "Observations that were resolved into it.", tests: [">= 1"]}
  is_output_estimated: "Whether output is only the streaming placeholder, so too low."
  is_fallback_only: "Whether it was seen only inside another thread's progress records."
  is_clock_suspect: "Whether the sender's clock was ahead."
*/
WITH links AS (
  SELECT placed.event_id, placed.request_id, placed.day, placed.is_only_witness
  FROM int_request_links AS placed
  INNER JOIN run_days ON placed.day = run_days.day  -- a join tells how few they are; an IN would have the wide rows hashed instead
),

ranked AS (  -- the few columns that decide; the others are fetched for the winners, because wide rows are slow to sort
  SELECT
    links.request_id AS linked_id, links.day AS linked_day, seen.event_id, seen.occurred_at, seen.channel, seen.status,
    seen.cache_write_tokens, seen.output_tokens, seen.is_fallback, seen.is_clock_suspect, seen.known_person_key, seen.person_key,
    seen.repository,
    row_number() OVER (
      PARTITION BY links.request_id
      ORDER BY seen.is_fallback, CASE seen.channel WHEN 'transcript' THEN 0 WHEN 'otlp' THEN 1 WHEN 'vendor_api' THEN 2 ELSE 3 END,
        seen.is_subagent, coalesce(seen.session_started_at, seen.occurred_at),
        CASE WHEN seen.parent_session_id IS NOT NULL AND NOT seen.is_subagent THEN 1 ELSE 0 END, seen.session_id, seen.occurred_at, seen.event_id
    ) AS owner_rank,
    row_number() OVER (
      PARTITION BY links.request_id
      ORDER BY CASE WHEN seen.status = 'ok' THEN 0 ELSE 1 END, CASE WHEN seen.output_tokens IS NULL THEN 1 ELSE 0 END,
        CASE seen.channel WHEN 'gateway' THEN 0 WHEN 'vendor_api' THEN 1 WHEN 'otlp' THEN 2 ELSE 3 END,
        coalesce(seen.output_tokens, -1) DESC, coalesce(seen.input_tokens, -1) DESC, seen.is_output_estimated, seen.is_fallback,
        seen.occurred_at, seen.event_id
    ) AS usage_rank
  FROM links
  INNER JOIN stg_observations AS seen ON links.event_id = seen.event_id
  WHERE NOT links.is_only_witness
),

gathered AS (
  SELECT
    linked_id AS request_id,
    min(linked_day) AS day,
    min(occurred_at) AS started_at,
    array_to_string(list_sort(list_distinct(list(channel))), ',') AS channels,
    count(DISTINCT channel) AS channel_count,
    count(*) AS observation_count,
    bool_and(is_fallback) AS is_fallback_only,
    bool_or(is_clock_suspect) AS is_clock_suspect,
    max(known_person_key) AS any_known_person_key,
    max(person_key) AS any_person_key,
    max(repository) AS any_repository
  FROM ranked
  GROUP BY linked_id
),

-- what witnesses of the same outcome know; of two, the second one is asked below
comparable AS (
  SELECT
    seen.*, ranked.linked_id, ranked.owner_rank, ranked.usage_rank, best.cache_write_tokens AS usage_write_tokens,
    best.output_tokens AS usage_output_tokens
  FROM ranked
  INNER JOIN gathered ON ranked.linked_id = gathered.request_id AND gathered.observation_count > 2
  INNER JOIN ranked AS best ON ranked.linked_id = best.linked_id AND best.usage_rank = 1 AND ranked.status = best.status
  INNER JOIN stg_observations AS seen ON ranked.event_id = seen.event_id
),

filled AS (
  SELECT
    linked_id AS request_id,
    arg_min(agent_version, owner_rank) FILTER (WHERE agent_version IS NOT NULL) AS agent_version,
    arg_min(surface, owner_rank) FILTER (WHERE surface IS NOT NULL) AS surface,
    arg_min(branch, owner_rank) FILTER (WHERE branch IS NOT NULL) AS branch,
    arg_min(prompt_id, owner_rank) FILTER (WHERE prompt_id IS NOT NULL) AS prompt_id,
    arg_min(launch_id, owner_rank) FILTER (WHERE launch_id IS NOT NULL) AS launch_id,
    arg_min(query_source, owner_rank) FILTER (WHERE query_source IS NOT NULL) AS query_source,
    arg_min(provider, usage_rank) FILTER (WHERE provider IS NOT NULL) AS provider,
    arg_min(model, usage_rank) FILTER (WHERE model IS NOT NULL) AS model,
    arg_min(model_requested, usage_rank) FILTER (WHERE model_requested IS NOT NULL) AS model_requested,
    arg_min(http_status, usage_rank) FILTER (WHERE http_status IS NOT NULL) AS http_status,
    arg_min(error_class, usage_rank) FILTER (WHERE error_class IS NOT NULL) AS error_class,
    -- a split of the same whole; that of another number would not add up
    arg_min(cache_write_5m_tokens, usage_rank) FILTER (WHERE cache_write_5m_tokens IS NOT NULL AND cache_write_tokens = usage_write_tokens) AS cache_write_5m_tokens,
    arg_min(cache_write_1h_tokens, usage_rank) FILTER (WHERE cache_write_1h_tokens IS NOT NULL AND cache_write_tokens = usage_write_tokens) AS cache_write_1h_tokens,
    arg_min(reasoning_tokens, usage_rank) FILTER (WHERE reasoning_tokens IS NOT NULL AND output_tokens = usage_output_tokens) AS reasoning_tokens,
    arg_min(web_search_requests, usage_rank) FILTER (WHERE web_search_requests IS NOT NULL) AS web_search_requests,
    arg_min(service_tier, usage_rank) FILTER (WHERE service_tier IS NOT NULL) AS service_tier,
    arg_min(speed, usage_rank) FILTER (WHERE speed IS NOT NULL) AS speed,
    arg_min(processing, usage_rank) FILTER (WHERE processing IS NOT NULL) AS processing,
    arg_min(inference_geo, usage_rank) FILTER (WHERE inference_geo IS NOT NULL) AS inference_geo,
    arg_min(effort, usage_rank) FILTER (WHERE effort IS NOT NULL) AS effort,
    arg_min(duration_ms, usage_rank) FILTER (WHERE duration_ms IS NOT NULL) AS duration_ms,
    arg_min(time_to_first_token_ms, usage_rank) FILTER (WHERE time_to_first_token_ms IS NOT NULL) AS time_to_first_token_ms,
    arg_min(reported_cost_usd, usage_rank) FILTER (WHERE reported_cost_usd IS NOT NULL) AS reported_cost_usd,
    arg_min(reported_cost_basis, usage_rank) FILTER (WHERE reported_cost_usd IS NOT NULL) AS reported_cost_basis,
    arg_min(amount_usd, usage_rank) FILTER (WHERE amount_usd IS NOT NULL) AS amount_usd,
    arg_min(gateway, usage_rank) FILTER (WHERE gateway IS NOT NULL) AS gateway,
    arg_min(gateway_team, usage_rank) FILTER (WHERE gateway_team IS NOT NULL) AS gateway_team,
    arg_min(gateway_key, usage_rank) FILTER (WHERE gateway_key IS NOT NULL) AS gateway_key,
    arg_min(tags, usage_rank) FILTER (WHERE tags IS NOT NULL) AS tags,
    arg_min(end_user_key, usage_rank) FILTER (WHERE end_user_key IS NOT NULL) AS end_user_key,
    arg_min(limited_by, usage_rank) FILTER (WHERE limited_by IS NOT NULL) AS limited_by,
    arg_min(limit_dimension, usage_rank) FILTER (WHERE limit_dimension IS NOT NULL) AS limit_dimension,
    bool_and(is_billable) AS is_billable,
    bool_or(is_gateway_cache_hit) AS is_gateway_cache_hit,
    bool_or(is_subscription) AS is_subscription
  FROM comparable
  GROUP BY linked_id
)

SELECT
  gathered.request_id,
  gathered.day,
  gathered.started_at,
  owner.session_id,
  owner.parent_session_id,
  owner.agent,
  coalesce(owner.agent_version, filled.agent_version, usage.agent_version, second.agent_version) AS agent_version,
  coalesce(owner.surface, filled.surface, usage.surface, second.surface) AS surface,
  coalesce(owner.known_person_key, gathered.any_known_person_key, owner.person_key, gathered.any_person_key) AS person_key,
  owner.sender,
  coalesce(owner.repository, gathered.any_repository) AS repository,
  coalesce(owner.branch, filled.branch, usage.branch, second.branch) AS branch,
  owner.is_subagent,
  coalesce(owner.prompt_id, filled.prompt_id, usage.prompt_id, second.prompt_id) AS prompt_id,
  coalesce(owner.launch_id, filled.launch_id, usage.launch_id, second.launch_id) AS launch_id,
  coalesce(owner.query_source, filled.query_source, usage.query_source, second.query_source) AS query_source,
  coalesce(usage.provider, filled.provider, second.provider) AS provider,
  coalesce(usage.model, filled.model, second.model) AS model,
  coalesce(usage.model_requested, filled.model_requested, second.model_requested) AS model_requested,
  usage.status,
  coalesce(usage.http_status, filled.http_status, second.http_status) AS http_status,
  coalesce(usage.error_class, filled.error_class, second.error_class) AS error_class,
  usage.input_tokens,
  usage.cache_read_tokens,
  usage.cache_write_tokens,
  CASE WHEN usage.cache_write_5m_tokens IS NULL AND usage.cache_write_1h_tokens IS NULL THEN coalesce(
      filled.cache_write_5m_tokens, CASE WHEN second.cache_write_tokens = usage.cache_write_tokens THEN second.cache_write_5m_tokens END
    )
    ELSE usage.cache_write_5m_tokens END AS cache_write_5m_tokens,
  CASE WHEN usage.cache_write_5m_tokens IS NULL AND usage.cache_write_1h_tokens IS NULL THEN coalesce(
      filled.cache_write_1h_tokens, CASE WHEN second.cache_write_tokens = usage.cache_write_tokens THEN second.cache_write_1h_tokens END
    )
    ELSE usage.cache_write_1h_tokens END AS cache_write_1h_tokens,
  usage.output_tokens,
  coalesce(
    usage.reasoning_tokens, filled.reasoning_tokens, CASE WHEN second.output_tokens = usage.output_tokens THEN second.reasoning_tokens END
  ) AS reasoning_tokens,
  coalesce(usage.web_search_requests, filled.web_search_requests, second.web_search_requests) AS web_search_requests,
  coalesce(usage.service_tier, filled.service_tier, second.service_tier) AS service_tier,
  coalesce(usage.speed, filled.speed, second.speed) AS speed,
  coalesce(usage.processing, filled.processing, second.processing) AS processing,
  coalesce(usage.inference_geo, filled.inference_geo, second.inference_geo) AS inference_geo,
  coalesce(usage.effort, filled.effort, second.effort) AS effort,
  coalesce(usage.duration_ms, filled.duration_ms, second.duration_ms) AS duration_ms,
  coalesce(usage.time_to_first_token_ms, filled.time_to_first_token_ms, second.time_to_first_token_ms) AS time_to_first_token_ms,
  coalesce(usage.reported_cost_usd, filled.reported_cost_usd, second.reported_cost_usd) AS reported_cost_usd,
  CASE
    WHEN usage.reported_cost_usd IS NOT NULL THEN usage.reported_cost_basis
    WHEN filled.reported_cost_usd IS NOT NULL THEN filled.reported_cost_basis
    WHEN second.reported_cost_usd IS NOT NULL THEN second.reported_cost_basis
  END AS reported_cost_basis,
  coalesce(usage.amount_usd, filled.amount_usd, second.amount_usd) AS amount_usd,
  coalesce(usage.is_billable, filled.is_billable, second.is_billable) AS is_billable,
  coalesce(usage.gateway, filled.gateway, second.gateway) AS gateway,
  coalesce(usage.gateway_team, filled.gateway_team, second.gateway_team) AS gateway_team,
  coalesce(usage.gateway_key, filled.gateway_key, second.gateway_key) AS gateway_key,
  array_to_string(list_sort(coalesce(usage.tags, filled.tags, second.tags)), ',') AS tags,
  coalesce(usage.end_user_key, filled.end_user_key, second.end_user_key) AS end_user_key,
  coalesce(usage.limited_by, filled.limited_by, second.limited_by) AS limited_by,
  coalesce(usage.limit_dimension, filled.limit_dimension, second.limit_dimension) AS limit_dimension,
  coalesce(usage.is_gateway_cache_hit, filled.is_gateway_cache_hit, second.is_gateway_cache_hit) AS is_gateway_cache_hit,
  coalesce(usage.is_subscription, filled.is_subscription, second.is_subscription) AS is_subscription,
  gathered.channels,
  gathered.channel_count,
  gathered.observation_count,
  usage.is_output_estimated,
  gathered.is_fallback_only,
  gathered.is_clock_suspect
FROM gathered
INNER JOIN ranked AS oldest ON gathered.request_id = oldest.linked_id AND oldest.owner_rank = 1
INNER JOIN stg_observations AS owner ON oldest.event_id = owner.event_id
INNER JOIN ranked AS best ON gathered.request_id = best.linked_id AND best.usage_rank = 1
INNER JOIN stg_observations AS usage ON best.event_id = usage.event_id
LEFT JOIN ranked AS other
  ON gathered.request_id = other.linked_id AND other.usage_rank = 2 AND gathered.observation_count = 2 AND other.status = best.status
LEFT JOIN stg_observations AS second ON other.event_id = second.event_id
LEFT JOIN filled ON gathered.request_id = filled.request_id

UNION ALL

-- what one witness alone saw needs no choice, and is most
SELECT
  links.request_id, links.day, seen.occurred_at, seen.session_id, seen.parent_session_id, seen.agent, seen.agent_version,
  seen.surface, seen.person_key, seen.sender, seen.repository, seen.branch, seen.is_subagent, seen.prompt_id, seen.launch_id,
  seen.query_source, seen.provider, seen.model, seen.model_requested, seen.status, seen.http_status, seen.error_class,
  seen.input_tokens, seen.cache_read_tokens, seen.cache_write_tokens, seen.cache_write_5m_tokens, seen.cache_write_1h_tokens,
  seen.output_tokens, seen.reasoning_tokens, seen.web_search_requests, seen.service_tier, seen.speed, seen.processing,
  seen.inference_geo, seen.effort, seen.duration_ms, seen.time_to_first_token_ms, seen.reported_cost_usd,
  CASE WHEN seen.reported_cost_usd IS NOT NULL THEN seen.reported_cost_basis END, seen.amount_usd, seen.is_billable, seen.gateway,
  seen.gateway_team, seen.gateway_key, array_to_string(list_sort(seen.tags), ','), seen.end_user_key, seen.limited_by,
  seen.limit_dimension, seen.is_gateway_cache_hit, seen.is_subscription, seen.channel, 1, 1, seen.is_output_estimated,
  seen.is_fallback, seen.is_clock_suspect
FROM links
INNER JOIN stg_observations AS seen ON links.event_id = seen.event_id
WHERE links.is_only_witness
