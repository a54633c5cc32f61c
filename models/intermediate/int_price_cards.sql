/*
description: >
  Price cards: for a model, context, span of days, hours and tier, the price of every meter a request has, in one row.
  Days, hours and tiers are cut so that within a card no price changes; a meter without a price takes that of the meter
  it is part of, as the list's own rules say (1-hour writes: writes, writes and reads: input, reasoning: output).
grain: [price_provider, price_model, price_context, valid_from, second_from, tier_above]
kind: table
columns:
  price_provider: {about: Provider whose list this is, tests: [not_null]}
  price_model: {about: Model as the list names it, tests: [not_null]}
  price_context: {about: Empty for plain or conditions such as processing=batch joined by commas, tests: [not_null]}
  is_context_priced: {about: False when plain prices stand in because the context has none then, tests: [not_null]}
  valid_from: {about: First UTC day, tests: [not_null]}
  valid_to: {about: Day after the last UTC day, tests: [not_null]}
  second_from: {about: First second of the UTC day, unit: s, tests: [not_null]}
  second_to: {about: Second after the last one, unit: s, tests: [not_null]}
  tier_above: {about: Holds when the request's input tokens exceed this, unit: tokens, tests: [not_null]}
  tier_up_to: {about: And are at most this, unit: tokens, tests: [not_null]}
  input_pico: {about: One uncached input token; NULL when not priced, unit: 1e-12 USD}
  cache_read_pico: {about: One token read from the cache, unit: 1e-12 USD}
  cache_write_5m_pico: {about: One token written to the cache for five minutes, unit: 1e-12 USD}
  cache_write_1h_pico: {about: One token written to the cache for one hour, unit: 1e-12 USD}
  output_pico: {about: One output token, unit: 1e-12 USD}
  reasoning_pico: {about: One output token spent on reasoning, unit: 1e-12 USD}
  web_search_pico: {about: One web search, unit: 1e-12 USD}
  request_pico: {about: Fee of the request itself; 0 for nearly all models, unit: 1e-12 USD, tests: [not_null, ">= 0"]}
  price_version: {about: Package and version the prices are from, tests: [not_null]}
*/
WITH measured AS (  -- meters of pictures, sound and pages are in the list but in no agent's files
  SELECT *
  FROM stg_prices
  WHERE meter IN (
    'input_tokens', 'cache_read_tokens', 'cache_write_tokens', 'cache_write_5m_tokens', 'cache_write_1h_tokens',
    'output_tokens', 'output_reasoning_tokens', 'web_searches', 'requests'
  )
),
factors AS (  -- every model as it is, and again under each multiplier that scales its tokens
  SELECT DISTINCT price_provider, price_model, '' AS factor_context, 1000000 AS factor_ppm,
    DATE '1970-01-01' AS valid_from, DATE '9999-12-31' AS valid_to
  FROM measured
  UNION ALL
  SELECT price_provider, price_model, price_context, CAST(multiplier_ppm AS BIGINT),
    CAST(valid_from AS DATE), CAST(valid_to AS DATE)
  FROM seed_price_multipliers
),
day_cuts AS (
  SELECT price_provider, price_model, valid_from AS cut FROM measured
  UNION SELECT price_provider, price_model, valid_to FROM measured
  UNION SELECT price_provider, price_model, valid_from FROM factors
  UNION SELECT price_provider, price_model, valid_to FROM factors
),
days AS (
  SELECT price_provider, price_model, cut AS valid_from,
    LEAD(cut) OVER (PARTITION BY price_provider, price_model ORDER BY cut) AS valid_to
  FROM day_cuts
),
second_cuts AS (
  SELECT price_provider, price_model, 0 AS cut FROM measured
  UNION SELECT price_provider, price_model, second_from FROM measured
  UNION SELECT price_provider, price_model, second_to FROM measured
),
hours AS (
  SELECT price_provider, price_model, cut AS second_from,
    LEAD(cut) OVER (PARTITION BY price_provider, price_model ORDER BY cut) AS second_to
  FROM second_cuts
),
tier_cuts AS (
  SELECT price_provider, price_model, tier_above AS cut FROM measured
  UNION SELECT price_provider, price_model, tier_up_to FROM measured
),
tiers AS (
  SELECT price_provider, price_model, cut AS tier_above,
    LEAD(cut) OVER (PARTITION BY price_provider, price_model ORDER BY cut) AS tier_up_to
  FROM tier_cuts
),
contexts AS (
  SELECT price_provider, price_model, '' AS price_context FROM measured
  UNION SELECT price_provider, price_model, price_context FROM measured
),
priced AS (  -- within its card a meter's own context beats the plain price, and hours beat the whole day
  SELECT
    m.price_provider, m.price_model, c.price_context, d.valid_from, d.valid_to, h.second_from, h.second_to,
    t.tier_above, t.tier_up_to, m.meter, m.price_pico, m.price_version,
    m.price_context <> '' AS is_of_context
  FROM contexts AS c
  JOIN days AS d ON d.price_provider = c.price_provider AND d.price_model = c.price_model
  JOIN hours AS h ON h.price_provider = c.price_provider AND h.price_model = c.price_model
  JOIN tiers AS t ON t.price_provider = c.price_provider AND t.price_model = c.price_model
  JOIN measured AS m
    ON m.price_provider = c.price_provider AND m.price_model = c.price_model
    AND m.price_context IN ('', c.price_context)
    AND m.valid_from <= d.valid_from AND m.valid_to >= d.valid_to
    AND m.second_from <= h.second_from AND m.second_to >= h.second_to
    AND m.tier_above <= t.tier_above AND m.tier_up_to >= t.tier_up_to
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY c.price_provider, c.price_model, c.price_context, d.valid_from, h.second_from, t.tier_above, m.meter
    ORDER BY m.price_context DESC, m.is_timed DESC
  ) = 1
),
wide AS (
  SELECT
    price_provider, price_model, price_context, valid_from, valid_to, second_from, second_to, tier_above, tier_up_to,
    MAX(CASE WHEN meter = 'input_tokens' THEN price_pico END) AS input_pico,
    MAX(CASE WHEN meter = 'cache_read_tokens' THEN price_pico END) AS cache_read_pico,
    MAX(CASE WHEN meter = 'cache_write_tokens' THEN price_pico END) AS cache_write_pico,
    MAX(CASE WHEN meter = 'cache_write_5m_tokens' THEN price_pico END) AS cache_write_5m_pico,
    MAX(CASE WHEN meter = 'cache_write_1h_tokens' THEN price_pico END) AS cache_write_1h_pico,
    MAX(CASE WHEN meter = 'output_tokens' THEN price_pico END) AS output_pico,
    MAX(CASE WHEN meter = 'output_reasoning_tokens' THEN price_pico END) AS reasoning_pico,
    MAX(CASE WHEN meter = 'web_searches' THEN price_pico END) AS web_search_pico,
    MAX(CASE WHEN meter = 'requests' THEN price_pico END) AS request_pico,
    MAX(CASE WHEN is_of_context THEN 1 ELSE 0 END) = 1 OR price_context = '' AS is_context_priced,
    MAX(price_version) AS price_version
  FROM priced
  GROUP BY
    price_provider, price_model, price_context, valid_from, valid_to, second_from, second_to, tier_above, tier_up_to
)
SELECT
  w.price_provider,
  w.price_model,
  CONCAT_WS(',', NULLIF(w.price_context, ''), NULLIF(f.factor_context, '')) AS price_context,
  w.is_context_priced,
  w.valid_from,
  w.valid_to,
  w.second_from,
  w.second_to,
  w.tier_above,
  w.tier_up_to,
  w.input_pico * f.factor_ppm // 1000000 AS input_pico,
  COALESCE(w.cache_read_pico, w.input_pico) * f.factor_ppm // 1000000 AS cache_read_pico,
  COALESCE(w.cache_write_5m_pico, w.cache_write_pico, w.input_pico) * f.factor_ppm // 1000000 AS cache_write_5m_pico,
  COALESCE(w.cache_write_1h_pico, w.cache_write_pico, w.input_pico) * f.factor_ppm // 1000000 AS cache_write_1h_pico,
  w.output_pico * f.factor_ppm // 1000000 AS output_pico,
  COALESCE(w.reasoning_pico, w.output_pico) * f.factor_ppm // 1000000 AS reasoning_pico,
  w.web_search_pico,
  COALESCE(w.request_pico, 0) AS request_pico,
  w.price_version
FROM wide AS w
JOIN factors AS f
  ON f.price_provider = w.price_provider AND f.price_model = w.price_model
  AND f.valid_from <= w.valid_from AND f.valid_to >= w.valid_to
