/*
description: Events that collectors counted and did not send, by reason; they are in no other figure.
grain: [sender, day, reason]
kind: table
columns:
  sender: {about: "Collector, or (no header).", tests: [not_null]}
  day: {about: "UTC day on which object storage received the header that tells it.", tests: [not_null]}
  reason: {about: "Why, such as contract (a value breaks it), line_too_long, otlp_unknown, refused (dead letter).", tests: [not_null]}
  events: {about: "Events, or what would have become events.", unit: events, tests: [">= 0"]}
*/
SELECT
  coalesce(sender, '(no header)') AS sender,
  CAST(received_at AS DATE) AS day,
  told.key AS reason,
  CAST(sum(told.value) AS BIGINT) AS events
FROM load_ledger
CROSS JOIN unnest(map_entries(CAST(CAST(dropped AS JSON) AS MAP(VARCHAR, BIGINT)))) AS entry(told)
WHERE state = 'loaded'
GROUP BY ALL
