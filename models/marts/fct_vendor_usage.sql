/*
description: >
  What vendors report, by UTC day and every dimension that the report names; the newest fetch of each day, replaced whole when a
  vendor restates it. Compare it with fct_requests, never add it to them, and never add one report to another: several reports of a
  vendor tell the same tokens in different cuts. NULL in a dimension means that the vendor does not attribute the row.
grain: [day, report, usage_key]
kind: daily
columns:
  day: {about: "UTC day of the window; of cursor_spend the first day of the billing cycle.", tests: [not_null]}
  report: {about: "Report that says so, such as anthropic_cost.", tests: [not_null]}
  usage_key: {about: "Digest of all dimensions, account and person among them.", tests: [not_null]}
  billing_account: "Account as the settings of the pull name it."
  window_end: {about: "End of the window, exclusive.", tests: [not_null]}
  person_key: "Pseudonym of the person, where the report names one and the organisation has a key."
  team: "Team of the person on that day."
  agent: "Product that used it, where the report is about one."
  provider: "Who served or bills it."
  product: "Product, feature or billed unit in the vendor's word."
  model: "Model as reported."
  service_tier: "Service tier."
  speed: "standard or fast."
  processing: "realtime or batch."
  inference_geo: "Region restriction."
  context_window: "Size class of the context."
  cost_type: "What the amount is for."
  token_type: "Class of tokens that the amount is for."
  tool_name: "Tool whose edits were accepted or rejected."
  workspace: "The vendor's id of workspace or project."
  api_key_id: "The vendor's id of the API key."
  is_subscription: "Whether a subscription pays, so that the amount is on no invoice."
  is_billable: "Whether the vendor says that it charges for it."
  input_tokens: {about: "Everything read, cache included.", unit: tokens, tests: [">= 0"]}
  cache_read_tokens: {about: "Part of input read from the cache.", unit: tokens, tests: [">= 0"]}
  cache_write_tokens: {about: "Part of input written to the cache.", unit: tokens, tests: [">= 0"]}
  cache_write_5m_tokens: {about: "Part of cache writes kept five minutes.", unit: tokens}
  cache_write_1h_tokens: {about: "Part of cache writes kept one hour.", unit: tokens}
  output_tokens: {about: "Everything written.", unit: tokens, tests: [">= 0"]}
  web_search_requests: {about: "Web searches.", unit: requests}
  requests: {about: "Model requests.", unit: requests}
  sessions: {about: "Sessions.", unit: sessions}
  prompts: {about: "Prompts.", unit: prompts}
  commits: {about: "Commits by the agent.", unit: commits}
  pull_requests: {about: "Pull requests by the agent.", unit: pull requests}
  lines_added: {about: "Lines added, in the report's own meaning.", unit: lines}
  lines_removed: {about: "Lines removed, likewise.", unit: lines}
  lines_suggested: {about: "Lines that the agent proposed to add.", unit: lines}
  edits_accepted: {about: "Proposed edits that were accepted.", unit: edits}
  edits_rejected: {about: "Proposed edits that were rejected.", unit: edits}
  list_amount_usd: {about: "Amount before discounts, credits subtracted.", unit: usd}
  amount_usd: {about: "Amount after discounts, credits subtracted.", unit: usd}
  row_count: {about: "Rows of the report in it.", unit: rows, tests: [">= 1"]}
  fetched_at: {about: "When this was fetched.", tests: [not_null]}
  data_complete_to: "Until when the vendor says that its data are complete."
*/
WITH summed AS (
  SELECT
    day, report, billing_account, person_key, agent, provider, product, model, service_tier, speed, processing, inference_geo,
    context_window, cost_type, token_type, tool_name, workspace, api_key_id, is_subscription, is_billable,
    max(window_end) AS window_end,
    CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
    CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
    CAST(sum(cache_write_tokens) AS BIGINT) AS cache_write_tokens,
    CAST(sum(cache_write_5m_tokens) AS BIGINT) AS cache_write_5m_tokens,
    CAST(sum(cache_write_1h_tokens) AS BIGINT) AS cache_write_1h_tokens,
    CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
    CAST(sum(web_search_requests) AS BIGINT) AS web_search_requests,
    CAST(sum(requests) AS BIGINT) AS requests,
    CAST(sum(sessions) AS BIGINT) AS sessions,
    CAST(sum(prompts) AS BIGINT) AS prompts,
    CAST(sum(commits) AS BIGINT) AS commits,
    CAST(sum(pull_requests) AS BIGINT) AS pull_requests,
    CAST(sum(lines_added) AS BIGINT) AS lines_added,
    CAST(sum(lines_removed) AS BIGINT) AS lines_removed,
    CAST(sum(lines_suggested) AS BIGINT) AS lines_suggested,
    CAST(sum(edits_accepted) AS BIGINT) AS edits_accepted,
    CAST(sum(edits_rejected) AS BIGINT) AS edits_rejected,
    CAST(sum(list_amount_usd) AS DECIMAL(38, 12)) AS list_amount_usd,
    CAST(sum(amount_usd) AS DECIMAL(38, 12)) AS amount_usd,
    count(*) AS row_count,
    max(fetched_at) AS fetched_at,
    max(data_complete_to) AS data_complete_to
  FROM stg_vendor_usage
  WHERE day IN (SELECT day FROM run_days)
  GROUP BY ALL
)

SELECT
  summed.*,
  md5(concat_ws(
    '|',
    coalesce(billing_account, ''), coalesce(summed.person_key, ''), coalesce(agent, ''), coalesce(provider, ''),
    coalesce(product, ''), coalesce(model, ''), coalesce(service_tier, ''), coalesce(speed, ''),
    coalesce(processing, ''), coalesce(inference_geo, ''), coalesce(context_window, ''), coalesce(cost_type, ''),
    coalesce(token_type, ''), coalesce(tool_name, ''), coalesce(workspace, ''), coalesce(api_key_id, ''),
    coalesce(CAST(is_subscription AS VARCHAR), ''), coalesce(CAST(is_billable AS VARCHAR), '')
  )) AS usage_key,
  people.team
FROM summed
LEFT JOIN dim_people AS people
  ON summed.person_key = people.person_key AND summed.day >= people.valid_from AND summed.day < people.valid_to
