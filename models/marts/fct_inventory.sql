/*
description: >
  One row per item of what is installed and set on a machine, as its collector told last. A collector tells all items at once and
  only when something changed, so the latest day of a sender is its state. Credentials are kinds and counts; no value was ever read into an event.
grain: [item_key]
kind: table
columns:
  item_key: {about: "The event that tells it.", tests: [not_null]}
  sender: {about: "Collector of the machine.", tests: [not_null]}
  told_on: {about: "UTC day on which the collector told this state.", tests: [not_null]}
  person_key: "Pseudonym of the person whose machine it is."
  team: "Team of the person on that day."
  platform: "linux, darwin or windows."
  item_kind: {about: "agent, mcp_server, credential or setting.", tests: [not_null]}
  item_name: {about: "Name from a closed list: agent, server (else other), kind of file, or setting.", tests: [not_null]}
  agent: "Agent that it belongs to."
  item_version: "Version."
  item_state: "State of an agent or setting, transport of a server; for a credential its rule, class of key name and visibility, joined by dots."
  item_count: {about: "How many.", tests: [">= 0"]}
  age_days: {about: "Age of the file, rounded down to 0, 7, 30, 90 or 365.", unit: days}
*/
WITH placed AS (
  SELECT *, coalesce(sender, '(no header)') AS machine, max(day) OVER (PARTITION BY coalesce(sender, '(no header)')) AS last_day
  FROM lake_inventory
)

SELECT
  placed.event_id AS item_key,
  placed.machine AS sender,
  placed.day AS told_on,
  placed.person_key,
  people.team,
  placed.platform,
  placed.item_kind,
  placed.item_name,
  placed.agent,
  placed.item_version,
  placed.item_state,
  coalesce(placed.item_count, 1) AS item_count,
  placed.age_days
FROM placed
LEFT JOIN dim_people AS people
  ON placed.person_key = people.person_key AND placed.day >= people.valid_from AND placed.day < people.valid_to
WHERE placed.day = placed.last_day
