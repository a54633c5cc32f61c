/*
description: Segments that a sender's numbers say were sealed and that have not arrived. Young ones are under way; an old one is lost or held back.
grain: [sender, epoch, seq]
kind: table
columns:
  sender: {about: "Collector.", tests: [not_null]}
  epoch: {about: "The run of numbers: one a spool, a new one where a copied spool was renumbered.", tests: [not_null]}
  seq: {about: "The number that no object bears and no later header accounts for.", tests: [not_null, "> 0"]}
  noticed_at: {about: "When a segment with a higher number arrived, UTC.", tests: [not_null]}
*/
WITH
  arrived AS (
    SELECT sender, epoch, seq, received_at
    FROM load_ledger
    WHERE state = 'loaded' AND sender IS NOT NULL AND epoch IS NOT NULL AND seq IS NOT NULL
  ),
  settled AS (SELECT DISTINCT unnest(settled) AS number FROM load_ledger WHERE state = 'loaded'),
  -- a header may claim any number: what lies between two that arrived is listed up to a thousand, not a billion
  steps AS (
    SELECT
      sender, epoch, seq, received_at,
      coalesce(lag(seq) OVER (PARTITION BY sender, epoch ORDER BY seq), 0) AS seq_before
    FROM (SELECT sender, epoch, seq, min(received_at) AS received_at FROM arrived GROUP BY ALL)
  ),
  gaps AS (
    SELECT sender, epoch, unnest(range(greatest(seq_before + 1, seq - 1000), seq)) AS seq, received_at AS noticed_at
    FROM steps
    WHERE seq > seq_before + 1
  )
SELECT sender, epoch, seq, noticed_at
FROM gaps
WHERE concat(epoch, '-', lpad(CAST(seq AS VARCHAR), 12, '0')) NOT IN (SELECT number FROM settled)
