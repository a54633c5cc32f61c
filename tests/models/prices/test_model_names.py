"""Names: what agents and gateways call a model finds the right price list, or none, never that of another model."""

from typing import Any

from genai_prices.data import providers

from meterhouse import prices as exporter

NAMES = [  # provider and model as reported, provider and model of the list, flag
    ("anthropic", "claude-sonnet-4-20250514", "anthropic", "claude-sonnet-4-0", None),
    ("anthropic", "claude-opus-5[1m]", "anthropic", "claude-opus-5", None),
    ("anthropic", "Claude-Opus-4-8", "anthropic", "claude-opus-4-8", None),
    ("anthropic", "claude-opus-4-10", None, None, None),
    ("anthropic", "claude-opus-4-6-fast", None, None, None),
    ("anthropic", "<synthetic>", None, None, None),
    ("openai", "gpt-5.2-20251211", "openai", "gpt-5.2", None),
    ("openai", "gpt-5.1-codex", "openai", "gpt-5.1", None),
    ("openai", "gpt-5.1-codex-max", None, None, None),
    ("openai", "gpt-5.3-codex-spark", None, None, None),
    ("openai", "google/gemini-2.5-pro", None, None, None),
    ("gcp.gemini", "models/gemini-2.5-pro-preview-05-06", "google", "gemini-2.5-pro", None),
    ("gcp.gemini", "gemini-3.8-flash-ultra", None, None, None),
    ("gcp.gemini", "gemini-3.8-flash-preview-tts", None, None, None),
    ("gcp.gemini", "gemini-2.5-pro-tts", "google", "gemini-2.5-pro-tts", None),
    ("gcp.gemini", "gemini-3.1-pro-preview-customtools", "google", "gemini-3.1-pro-preview", None),
    ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-pro", "google", "gemini-2.5-pro", None),
    ("gcp.vertex_ai", "claude-opus-4-5@20251101", "google", "claude-opus-4-5", None),
    ("aws.bedrock", "us.anthropic.claude-opus-4-5-20251101-v1:0", "aws", "regional.anthropic.claude-opus-4-5-v1:0", None),
    ("azure.ai.openai", "gpt-5.5", "openai", "gpt-5.5", "reseller_price"),
    ("x_ai", "grok-4.5", "x-ai", "grok-4.5", None),
    ("openrouter", "anthropic/claude-opus-4.8", "openrouter", "anthropic/claude-opus-4.8", None),
    ("mock", "claude-opus-5[1m]", "anthropic", "claude-opus-5", "home_provider"),
    ("litellm", "anthropic/claude-opus-4-8", "anthropic", "claude-opus-4-8", "home_provider"),
    ("litellm", "openrouter/anthropic/claude-opus-4.8", "openrouter", "anthropic/claude-opus-4.8", "home_provider"),
    (None, "bedrock/us.anthropic.claude-opus-4-5-20251101-v1:0", "aws", "regional.anthropic.claude-opus-4-5-v1:0",
     "home_provider"),
    (None, "databricks-glm-5-2", "databricks", "databricks-glm-5-2", "home_provider"),
    (None, "gpt-5.5", "openai", "gpt-5.5", "home_provider"),
    (None, "qwen3-coder-plus", None, None, None),
    (None, "glm-4.7", "zai", "GLM-4.7", "home_provider"),
]  # fmt: skip


def test_raw_names_resolve_to_the_list_or_stay_unknown(price: Any) -> None:
    costs = price([{"provider": provider, "model": model} for provider, model, *_ in NAMES])
    found = [(cost["price_provider"], cost["price_model"], cost["price_flags"]) for cost in costs]
    assert dict(zip(((row[0], row[1]) for row in NAMES), found, strict=True)) == {row[:2]: row[2:] for row in NAMES}


def test_names_of_the_list_resolve_as_the_package_resolves_them(price: Any) -> None:
    by_id = {provider.id: provider for provider in providers}
    own = [row for row in exporter.matchers() if row.provider == row.price_provider and row.operator == "equals"]
    asked = sorted({(row.provider, row.pattern) for row in own})
    costs = price([{"provider": provider, "model": name} for provider, name in asked])
    found = [by_id[provider].find_model(name, all_providers=providers) for provider, name in asked]
    assert [cost["price_model"] for cost in costs] == [model.id if model else None for model in found]
