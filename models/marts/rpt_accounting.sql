/*
description: What became of every event, by sender and day of receipt; the residual is the events nobody can account for.
grain: [sender, day]
kind: table
columns:
  sender: {about: "Collector, or (no header) for files without a segment header.", tests: [not_null]}
  day: {about: "UTC day on which object storage received them.", tests: [not_null]}
  objects: {about: "Objects.", unit: objects}
  spooled: {about: "Events that the headers announce.", unit: events}
  loaded: {about: "Events in the lake.", unit: events}
  duplicate: {about: "Events that were already there.", unit: events}
  quarantined: {about: "Lines in quarantine.", unit: events}
  parked: {about: "Events of a kind or version to come.", unit: events}
  residual: {about: "spooled less all the others; 0 when every event is accounted for.", unit: events}
*/
SELECT
  coalesce(sender, '(no header)') AS sender,
  CAST(received_at AS DATE) AS day,
  count(*) AS objects,
  CAST(sum(coalesce(spooled, rows_loaded + rows_duplicate + rows_quarantined + rows_parked)) AS BIGINT) AS spooled,
  CAST(sum(rows_loaded) AS BIGINT) AS loaded,
  CAST(sum(rows_duplicate) AS BIGINT) AS duplicate,
  CAST(sum(rows_quarantined) AS BIGINT) AS quarantined,
  CAST(sum(rows_parked) AS BIGINT) AS parked,
  CAST(sum(coalesce(spooled, rows_loaded + rows_duplicate + rows_quarantined + rows_parked)
    - rows_loaded - rows_duplicate - rows_quarantined - rows_parked) AS BIGINT) AS residual
FROM load_ledger
WHERE state = 'loaded'
GROUP BY ALL
