/*
description: >
  What each raw model name of a day is called in the price list. Our own aliases come first (exact before pattern, then
  lowest priority), then the list's own matchers for the provider, then, only when the provider is not in the list, the
  model's home provider. A name that goes on after a pattern with more than a date, a region or a stage such as preview
  is another model and stays unresolved: no price is better than the wrong one.
grain: [day, provider, model]
kind: daily
columns:
  day: {about: UTC day of the requests, tests: [not_null]}
  provider: {about: Provider as the request names it; NULL when unknown}
  model: {about: Model as the request names it, tests: [not_null]}
  price_provider: {about: Provider whose list prices it; NULL when unresolved}
  price_model: {about: Model in that list; NULL when unresolved}
  alias_rule:
    about: >
      How it was found: authored, provider, reseller (the provider serves a model that another one prices) or home;
      NULL when unresolved
*/
WITH names AS (
  SELECT DISTINCT day, provider, model
  FROM int_requests
  WHERE day IN (SELECT day FROM run_days) AND model IS NOT NULL
),
listed AS (
  SELECT provider, price_provider FROM seed_price_providers
  UNION SELECT price_provider, price_provider FROM stg_prices
),
pairs AS (
  SELECT n.provider, n.model, l.price_provider,
    REGEXP_REPLACE(LOWER(n.model), '\[[0-9]+[km]\]$', '') AS bare  -- Claude Code's choice of context window
  FROM (SELECT DISTINCT provider, model FROM names) AS n
  LEFT JOIN listed AS l ON l.provider = LOWER(n.provider)
),
spelled AS (
  SELECT provider, model, price_provider, LOWER(model) AS name, 1 AS spelling FROM pairs
  UNION ALL SELECT provider, model, price_provider, bare, 2 FROM pairs
  UNION ALL SELECT provider, model, price_provider, REGEXP_REPLACE(bare, '^[^/]*/', ''), 3 FROM pairs
  UNION ALL SELECT provider, model, price_provider, REGEXP_REPLACE(bare, '^.*/', ''), 4 FROM pairs
),
stamped AS (
  SELECT *, REGEXP_EXTRACT(name, '-(20[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01]))([-:]|$)', 1) AS stamp
  FROM spelled
),
respelled AS (  -- 20251211 is tried as 2025-12-11 after the name as it stands
  SELECT provider, model, price_provider, name, spelling * 2 AS spelling FROM stamped
  UNION ALL
  SELECT provider, model, price_provider,
    REPLACE(name, stamp, CONCAT(SUBSTR(stamp, 1, 4), '-', SUBSTR(stamp, 5, 2), '-', SUBSTR(stamp, 7, 2))) AS name,
    spelling * 2 + 1 AS spelling
  FROM stamped
  WHERE stamp <> ''
),
candidates AS (  -- which provider's matchers may be asked about which spelling
  SELECT provider, model, name, spelling, price_provider AS asked, 0 AS distance
  FROM respelled
  WHERE price_provider IS NOT NULL
  UNION ALL  -- the vendor stands before the model: openrouter/…, anthropic/…
  SELECT r.provider, r.model, r.name, r.spelling, l.price_provider, 1
  FROM respelled AS r
  JOIN listed AS l ON l.provider = REGEXP_EXTRACT(LOWER(r.model), '^([^/]*)/', 1)
  WHERE r.price_provider IS NULL
  UNION ALL
  SELECT r.provider, r.model, r.name, r.spelling, h.price_provider, CAST(h.priority AS INTEGER) + 1
  FROM respelled AS r
  JOIN seed_model_homes AS h
    ON (h.operator = 'starts_with' AND STARTS_WITH(r.name, h.pattern))
    OR (h.operator = 'regex' AND REGEXP_MATCHES(r.name, h.pattern))
  WHERE r.price_provider IS NULL
),
hits AS (
  SELECT c.provider, c.model, c.name, c.asked, c.distance, c.spelling, CAST(m.match_rank AS INTEGER) AS match_rank,
    m.price_provider, m.price_model,
    CASE WHEN m.operator IN ('equals', 'regex') THEN 0 ELSE STRPOS(c.name, m.pattern) END AS found_at,
    LENGTH(m.pattern) AS found_length
  FROM candidates AS c
  JOIN seed_price_matchers AS m
    ON m.provider = c.asked
    AND (
      (m.operator = 'equals' AND c.name = m.pattern)
      OR (m.operator = 'starts_with' AND STARTS_WITH(c.name, m.pattern))
      OR (m.operator = 'ends_with' AND ENDS_WITH(c.name, m.pattern))
      OR (m.operator = 'contains' AND CONTAINS(c.name, m.pattern))
      OR (m.operator = 'regex' AND REGEXP_MATCHES(c.name, m.pattern))
    )
),
resolved AS (
  SELECT provider, model, price_provider, price_model,
    CASE WHEN distance > 0 THEN 'home' WHEN price_provider <> asked THEN 'reseller' ELSE 'provider' END AS alias_rule
  FROM hits
  WHERE found_at = 0 OR name = LOWER(price_model) OR (
    REGEXP_MATCHES(SUBSTR(name, 1, found_at - 1), '^(.*[./@])?$')
    AND REGEXP_MATCHES(
      SUBSTR(name, found_at + found_length),
      CONCAT(
        '^([0-9]{2}|[0-9]{4}|[0-9]{8}|[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{2}-[0-9]{2})?',
        '([-@:.](latest|preview|exp|thinking|default|v[0-9]+|[0-9]{3,4}|[0-9]{8}|[0-9]{2}-[0-9]{2}',
        '|[0-9]{4}-[0-9]{2}-[0-9]{2}))*(:[0-9]+)?$'
      )
    )
  )
  QUALIFY ROW_NUMBER() OVER (PARTITION BY provider, model ORDER BY distance, spelling, match_rank, price_model) = 1
),
authored AS (
  SELECT n.day, n.provider, n.model, a.price_provider, a.price_model
  FROM names AS n
  JOIN pairs AS p ON p.provider IS NOT DISTINCT FROM n.provider AND p.model = n.model
  JOIN seed_model_aliases AS a
    ON (COALESCE(a.provider, '') = '' OR a.provider = p.price_provider)
    AND n.day >= CAST(a.valid_from AS DATE) AND n.day < CAST(a.valid_to AS DATE)
    AND (
      (a.operator = 'equals' AND p.bare = a.pattern) OR (a.operator = 'regex' AND REGEXP_MATCHES(p.bare, a.pattern))
    )
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY n.day, n.provider, n.model
    ORDER BY CASE WHEN a.operator = 'equals' THEN 0 ELSE 1 END, CAST(a.priority AS INTEGER), a.pattern
  ) = 1
)
SELECT
  n.day,
  n.provider,
  n.model,
  NULLIF(CASE WHEN a.model IS NULL THEN r.price_provider ELSE a.price_provider END, '') AS price_provider,
  NULLIF(CASE WHEN a.model IS NULL THEN r.price_model ELSE a.price_model END, '') AS price_model,
  CASE WHEN a.model IS NULL THEN r.alias_rule ELSE 'authored' END AS alias_rule
FROM names AS n
LEFT JOIN authored AS a ON a.day = n.day AND a.provider IS NOT DISTINCT FROM n.provider AND a.model = n.model
LEFT JOIN resolved AS r ON r.provider IS NOT DISTINCT FROM n.provider AND r.model = n.model
