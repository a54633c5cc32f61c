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
  dropped: {about: "Events that the sender counted and did not send; by reason in rpt_dropped_events.", unit: events}
  missing: {about: "Segments that its numbers announce and that have not arrived, in rpt_missing_segments.", unit: objects}
  residual: {about: "spooled less all the others; 0 when every event is accounted for.", unit: events}
alarms:
  every_event_is_accounted_for: SELECT sender, day, residual FROM rpt_accounting WHERE residual <> 0
  no_object_was_overwritten: SELECT object_key FROM load_ledger WHERE state = 'changed'
  no_object_is_set_aside: SELECT object_key FROM load_ledger WHERE state = 'set_aside'
*/
WITH
  ledger AS (
    SELECT
      *, coalesce(sender, '(no header)') AS named, CAST(received_at AS DATE) AS received_on,
      rows_loaded + rows_duplicate + rows_quarantined + rows_parked AS found
    FROM load_ledger
    WHERE state = 'loaded'
  ),
  drops AS (SELECT sender, day, sum(events) AS events FROM rpt_dropped_events GROUP BY ALL),
  gaps AS (SELECT sender, CAST(noticed_at AS DATE) AS day, count(*) AS segments FROM rpt_missing_segments GROUP BY ALL)
SELECT
  ledger.named AS sender,
  ledger.received_on AS day,
  count(*) AS objects,
  CAST(sum(coalesce(spooled, found)) AS BIGINT) AS spooled,
  CAST(sum(rows_loaded) AS BIGINT) AS loaded,
  CAST(sum(rows_duplicate) AS BIGINT) AS duplicate,
  CAST(sum(rows_quarantined) AS BIGINT) AS quarantined,
  CAST(sum(rows_parked) AS BIGINT) AS parked,
  CAST(coalesce(any_value(drops.events), 0) AS BIGINT) AS dropped,
  CAST(coalesce(any_value(gaps.segments), 0) AS BIGINT) AS missing,
  CAST(sum(coalesce(spooled, found) - found) AS BIGINT) AS residual
FROM ledger
LEFT JOIN drops ON drops.sender = ledger.named AND drops.day = ledger.received_on
LEFT JOIN gaps ON gaps.sender = ledger.named AND gaps.day = ledger.received_on
GROUP BY ALL
