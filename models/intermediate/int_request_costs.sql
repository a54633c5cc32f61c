/*
description: >
  List cost of each request, per meter, in integers of 1e-12 USD. What cannot be priced for certain has NULL costs and
  says why in price_status; what was priced on an assumption says which in price_flags. Never 0 for unknown.
grain: [request_id]
kind: daily
placed_by: int_requests
columns:
  request_id: {about: The request, tests: [not_null, unique]}
  day: {about: UTC day of the request; decides which price holds, tests: [not_null]}
  price_provider: {about: Provider whose list prices it; NULL for an unknown model}
  price_model: {about: Model in that list; NULL for an unknown model}
  input_cost_pico: {about: Input neither read from nor written to the cache, unit: 1e-12 USD, tests: [">= 0"]}
  cache_read_cost_pico: {about: Cache reads, unit: 1e-12 USD, tests: [">= 0"]}
  cache_write_cost_pico: {about: Cache writes of five minutes and of one hour, unit: 1e-12 USD, tests: [">= 0"]}
  output_cost_pico: {about: Output with reasoning, unit: 1e-12 USD, tests: [">= 0"]}
  web_search_cost_pico: {about: Web searches; NULL when their number is unknown, unit: 1e-12 USD, tests: [">= 0"]}
  request_cost_pico: {about: Fee of the request itself; 0 for nearly all models, unit: 1e-12 USD, tests: [">= 0"]}
  list_cost_pico: {about: Sum of the meters; NULL unless price_status is priced, unit: 1e-12 USD, tests: [">= 0"]}
  price_status:
    about: >
      priced; no_tokens (input or output unknown); inconsistent_tokens (parts exceed the whole, or negative);
      unknown_model; unknown_meter (a meter that was used has no price); overflow (too large to be a measurement)
    tests: [not_null, [priced, no_tokens, inconsistent_tokens, unknown_model, unknown_meter, overflow]]
  price_flags:
    about: >
      Assumptions behind the cost, joined by commas: home_provider, reseller_price, context_unpriced,
      cache_write_without_ttl (priced as five minutes), cache_split_unknown (priced as plain input); NULL when none
  price_version: {about: Package and version of the price list; NULL for an unknown model}
*/
WITH requests AS (
  SELECT
    request_id, day, started_at, provider, model, processing, service_tier, speed, inference_geo,
    input_tokens, output_tokens, web_search_requests, cache_read_tokens,
    COALESCE(cache_read_tokens, 0) AS read_tokens,
    COALESCE(cache_write_1h_tokens, 0) AS write_1h_tokens,
    COALESCE(cache_write_5m_tokens, 0) AS write_5m_tokens,
    COALESCE(
      cache_write_tokens, COALESCE(cache_write_5m_tokens, 0) + COALESCE(cache_write_1h_tokens, 0)
    ) AS write_tokens,
    COALESCE(reasoning_tokens, 0) AS reasoning_tokens,
    COALESCE(cache_write_tokens, cache_write_5m_tokens, cache_write_1h_tokens) IS NOT NULL AS is_write_known
  FROM int_requests
  WHERE day IN (SELECT day FROM run_days)
),
terms AS (  -- the few combinations that decide the price; all text work happens here
  SELECT DISTINCT day, provider, model, processing, service_tier, speed, inference_geo
  FROM int_requests  -- not the CTE: read twice, it would be held in memory
  WHERE day IN (SELECT day FROM run_days)
),
named AS (
  SELECT
    t.*, a.price_provider, a.price_model, a.alias_rule,
    CONCAT_WS(',',
      CASE WHEN LOWER(t.processing) = 'batch' OR LOWER(t.service_tier) = 'batch' THEN 'processing=batch'
        WHEN LOWER(t.processing) NOT IN ('', 'realtime') THEN CONCAT('processing=', LOWER(t.processing)) END,
      CASE WHEN LOWER(t.service_tier) NOT IN ('', 'standard', 'default', 'auto', 'on_demand', 'batch')
        THEN CONCAT('service_tier=', LOWER(t.service_tier)) END,
      CASE WHEN LOWER(t.speed) NOT IN ('', 'standard', 'normal') THEN CONCAT('speed=', LOWER(t.speed)) END,
      CASE WHEN LOWER(t.inference_geo) NOT IN ('', 'global', 'not_available')
        THEN CONCAT('inference_geo=', LOWER(t.inference_geo)) END
    ) AS asked_context
  FROM terms AS t
  LEFT JOIN int_model_aliases AS a
    ON a.day = t.day AND a.provider IS NOT DISTINCT FROM t.provider AND a.model = t.model
),
offers AS (  -- the exact context when the list has it, else plain; contexts of a reseller's supplier do not apply
  SELECT
    n.day, n.provider, n.model, n.processing, n.service_tier, n.speed, n.inference_geo,
    n.price_provider, n.price_model,
    COALESCE(c.second_from, 0) AS second_from,
    COALESCE(c.second_to, 86400) AS second_to,
    COALESCE(c.second_to - c.second_from, 86400) < 86400 AS is_timed,
    COALESCE(c.tier_above, -1) AS tier_above,
    COALESCE(c.tier_up_to, 9223372036854775807) AS tier_up_to,
    c.input_pico, c.cache_read_pico, c.cache_write_5m_pico, c.cache_write_1h_pico, c.output_pico, c.reasoning_pico,
    c.web_search_pico, c.request_pico, c.price_version,
    -- above these a cost might not fit 63 bits: input, output and searches may each fill at most a quarter
    2000000000000000000 // GREATEST(
      COALESCE(c.input_pico, 1), COALESCE(c.cache_read_pico, 1), COALESCE(c.cache_write_5m_pico, 1),
      COALESCE(c.cache_write_1h_pico, 1), COALESCE(c.output_pico, 1), COALESCE(c.reasoning_pico, 1), 1
    ) AS tokens_max,
    2000000000000000000 // GREATEST(COALESCE(c.web_search_pico, 1), 1) AS web_searches_max,
    CONCAT_WS(',',
      CASE WHEN n.alias_rule = 'home' THEN 'home_provider' END,
      CASE WHEN n.alias_rule = 'reseller' THEN 'reseller_price' END,
      CASE WHEN n.asked_context <> '' AND (c.price_context = '' OR NOT c.is_context_priced) THEN 'context_unpriced' END
    ) AS term_flags
  FROM named AS n
  LEFT JOIN int_price_cards AS c
    ON c.price_provider = n.price_provider AND c.price_model = n.price_model
    AND n.day >= c.valid_from AND n.day < c.valid_to
    AND (c.price_context = '' OR (c.price_context = n.asked_context AND n.alias_rule <> 'reseller'))
  QUALIFY RANK() OVER (
    PARTITION BY n.day, n.provider, n.model, n.processing, n.service_tier, n.speed, n.inference_geo
    ORDER BY COALESCE(c.price_context, '') DESC
  ) = 1
),
judged AS (
  SELECT
    r.*,
    o.price_provider, o.price_model, o.input_pico, o.cache_read_pico, o.cache_write_5m_pico, o.cache_write_1h_pico,
    o.output_pico, o.reasoning_pico, o.web_search_pico, o.request_pico, o.price_version, o.term_flags,
    CASE
      WHEN r.input_tokens IS NULL OR r.output_tokens IS NULL THEN 'no_tokens'
      WHEN LEAST(r.read_tokens, r.write_tokens, r.write_5m_tokens, r.write_1h_tokens, r.reasoning_tokens) < 0
        OR r.read_tokens > r.input_tokens - r.write_tokens
        OR r.write_1h_tokens > r.write_tokens - r.write_5m_tokens
        OR r.reasoning_tokens > r.output_tokens
        OR r.web_search_requests < 0 THEN 'inconsistent_tokens'
      WHEN o.price_model IS NULL THEN 'unknown_model'
      WHEN (r.input_tokens > 0 AND o.input_pico IS NULL)
        OR (r.output_tokens > 0 AND o.output_pico IS NULL)
        OR (r.web_search_requests > 0 AND o.web_search_pico IS NULL)
        OR o.price_version IS NULL THEN 'unknown_meter'
      WHEN r.input_tokens > o.tokens_max OR r.output_tokens > o.tokens_max
        OR r.web_search_requests > o.web_searches_max THEN 'overflow'
      ELSE 'priced'
    END AS price_status
  FROM requests AS r
  JOIN offers AS o
    ON o.day = r.day
    AND o.provider IS NOT DISTINCT FROM r.provider
    AND o.model IS NOT DISTINCT FROM r.model
    AND o.processing IS NOT DISTINCT FROM r.processing
    AND o.service_tier IS NOT DISTINCT FROM r.service_tier
    AND o.speed IS NOT DISTINCT FROM r.speed
    AND o.inference_geo IS NOT DISTINCT FROM r.inference_geo
    AND GREATEST(COALESCE(r.input_tokens, 0), 0) > o.tier_above
    AND GREATEST(COALESCE(r.input_tokens, 0), 0) <= o.tier_up_to
    AND (
      NOT o.is_timed OR (
        CAST(FLOOR(EPOCH(r.started_at)) AS BIGINT) % 86400 >= o.second_from
        AND CAST(FLOOR(EPOCH(r.started_at)) AS BIGINT) % 86400 < o.second_to
      )
    )
),
costed AS (
  SELECT
    request_id, day, price_provider, price_model, price_status, price_version,
    CASE WHEN price_status = 'priced'
      THEN (input_tokens - read_tokens - write_tokens) * COALESCE(input_pico, 0) END AS input_cost_pico,
    CASE WHEN price_status = 'priced' THEN read_tokens * COALESCE(cache_read_pico, 0) END AS cache_read_cost_pico,
    CASE WHEN price_status = 'priced'
      THEN (write_tokens - write_1h_tokens) * COALESCE(cache_write_5m_pico, 0)
        + write_1h_tokens * COALESCE(cache_write_1h_pico, 0) END AS cache_write_cost_pico,
    CASE WHEN price_status = 'priced'
      THEN (output_tokens - reasoning_tokens) * COALESCE(output_pico, 0)
        + reasoning_tokens * COALESCE(reasoning_pico, 0) END AS output_cost_pico,
    CASE WHEN price_status = 'priced'
      THEN web_search_requests * COALESCE(web_search_pico, 0) END AS web_search_cost_pico,
    CASE WHEN price_status = 'priced' THEN request_pico END AS request_cost_pico,
    NULLIF(CONCAT_WS(',',
      NULLIF(term_flags, ''),
      CASE WHEN price_status = 'priced' AND write_tokens > write_5m_tokens + write_1h_tokens
        THEN 'cache_write_without_ttl' END,
      CASE WHEN price_status = 'priced' AND input_tokens > 0
        AND ((cache_read_tokens IS NULL AND cache_read_pico <> input_pico)
          OR (NOT is_write_known AND cache_write_5m_pico <> input_pico)) THEN 'cache_split_unknown' END
    ), '') AS price_flags
  FROM judged
)
SELECT
  request_id, day, price_provider, price_model,
  input_cost_pico, cache_read_cost_pico, cache_write_cost_pico, output_cost_pico, web_search_cost_pico,
  request_cost_pico,
  input_cost_pico + cache_read_cost_pico + cache_write_cost_pico + output_cost_pico
    + COALESCE(web_search_cost_pico, 0) + request_cost_pico AS list_cost_pico,
  price_status, price_flags, price_version
FROM costed
