/*
description: >
  Paid seats of agents as they were on each day that was pulled, one a person and plan, or one a seat where no key tells people apart.
  Days without a pull are missing, not empty.
grain: [day, agent, seat_key]
kind: daily
columns:
  day: {about: "UTC day on which the seats were looked at.", tests: [not_null]}
  agent: {about: "Product that the seat is for.", tests: [not_null]}
  provider: "Who bills it."
  billing_account: "Account as the settings of the pull name it."
  plan: "Subscription plan."
  seat_key: {about: "Account, plan and person; the seat itself where the person is unknown.", tests: [not_null]}
  person_key: "Pseudonym of the person."
  team: "Team of the person on that day."
  seat_state: {about: "active, pending or cancelled; pending ends with the billing period.", tests: [not_null]}
  last_active_at: "Last activity that the vendor reports; some report it a day late, and for 90 days only."
  fetched_at: {about: "When this was fetched.", tests: [not_null]}
*/
WITH ranked AS (
  SELECT
    seats.*,
    concat_ws(
      ':', coalesce(seats.billing_account, ''), coalesce(seats.plan, ''), coalesce(seats.person_key, seats.event_id)
    ) AS seat_key,
    row_number() OVER (
      PARTITION BY seats.day, seats.agent, coalesce(seats.billing_account, ''), coalesce(seats.plan, ''),
        coalesce(seats.person_key, seats.event_id)
      ORDER BY CASE seats.seat_state WHEN 'active' THEN 0 WHEN 'pending' THEN 1 ELSE 2 END,
        seats.last_active_at DESC NULLS LAST, seats.event_id
    ) AS rank
  FROM lake_seat AS seats
  INNER JOIN stg_vendor_windows AS windows
    ON seats.report = windows.report AND seats.window_start = windows.window_start
      AND seats.fetched_at = windows.fetched_at
      AND coalesce(seats.billing_account, '') = coalesce(windows.billing_account, '')
  WHERE seats.day IN (SELECT day FROM run_days)
)

SELECT
  ranked.day,
  ranked.agent,
  ranked.provider,
  ranked.billing_account,
  ranked.plan,
  ranked.seat_key,
  ranked.person_key,
  people.team,
  ranked.seat_state,
  ranked.last_active_at,
  ranked.fetched_at
FROM ranked
LEFT JOIN dim_people AS people
  ON ranked.person_key = people.person_key AND ranked.day >= people.valid_from AND ranked.day < people.valid_to
WHERE ranked.rank = 1
