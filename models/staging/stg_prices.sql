/*
description: >
  List prices as genai-prices states them, in integers: one row per provider, model, meter, context, validity, hours
  and tier.
grain: [price_provider, price_model, meter, price_context, valid_from, is_timed, second_from, tier_above]
kind: table
columns:
  price_provider: {about: Provider whose list this is, tests: [not_null]}
  price_model: {about: Model as the list names it, tests: [not_null]}
  meter: {about: What is counted; input_tokens covers all input without a meter of its own, tests: [not_null]}
  price_context: {about: Empty for the plain price or a condition such as processing=batch, tests: [not_null]}
  valid_from: {about: First UTC day, tests: [not_null]}
  valid_to: {about: Day after the last UTC day; 9999-12-31 is open, tests: [not_null]}
  is_timed: {about: True when it holds in some hours only and replaces the day's price there, tests: [not_null]}
  second_from: {about: First second of the UTC day, unit: s, tests: [not_null, ">= 0"]}
  second_to: {about: Second after the last one, unit: s, tests: [not_null, ">= 0"]}
  tier_above: {about: Holds when the request's input tokens exceed this; -1 is always, unit: tokens, tests: [not_null]}
  tier_up_to: {about: And are at most this, unit: tokens, tests: [not_null]}
  price_pico: {about: Price of one unit, unit: 1e-12 USD, tests: [not_null, ">= 0"]}
  price_version: {about: Package and version the price is from, tests: [not_null]}
*/
SELECT
  price_provider,
  price_model,
  meter,
  COALESCE(price_context, '') AS price_context,
  CAST(valid_from AS DATE) AS valid_from,
  CAST(valid_to AS DATE) AS valid_to,
  COALESCE(utc_from, '') <> '' AS is_timed,
  CASE WHEN COALESCE(utc_from, '') = '' THEN 0
    ELSE CAST(SUBSTR(utc_from, 1, 2) AS INTEGER) * 3600 + CAST(SUBSTR(utc_from, 4, 2) AS INTEGER) * 60
  END AS second_from,
  CASE WHEN COALESCE(utc_to, '') = '' THEN 86400
    ELSE CAST(SUBSTR(utc_to, 1, 2) AS INTEGER) * 3600 + CAST(SUBSTR(utc_to, 4, 2) AS INTEGER) * 60
  END AS second_to,
  CASE WHEN tier_start = '0' THEN -1 ELSE CAST(tier_start AS BIGINT) END AS tier_above,
  COALESCE(TRY_CAST(tier_end AS BIGINT), 9223372036854775807) AS tier_up_to,
  CAST(price_pico AS BIGINT) AS price_pico,
  CONCAT('genai-prices ', source_version) AS price_version
FROM seed_prices
