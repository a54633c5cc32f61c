"""Providers by OpenTelemetry's names, for what gateways call them; a name that is not listed stays as it is."""

from typing import Any, Optional

from meterhouse_collector.json_values import ident

_OTEL = {
    "azure": "azure.ai.openai",
    "azure_text": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "bedrock_mantle": "aws.bedrock",
    "codestral": "mistral_ai",
    "cohere_chat": "cohere",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "text-completion-openai": "openai",
    "vertex_ai": "gcp.vertex_ai",
    "vertex_ai_beta": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
_ROUTES = ("converse/", "invoke/", "converse_like/")  # Bedrock's interface, between prefix and model


def otel_provider(name: Any) -> Optional[str]:
    """The provider in OpenTelemetry's words, where it has one."""
    if not isinstance(name, str) or not name:
        return None
    known = _OTEL.get(name)
    if known is None and name.startswith("vertex_ai"):  # vertex_ai-anthropic_models and the like
        known = "gcp.vertex_ai"
    return known or ident(name)


def bare_model(model: Any, provider: Any) -> Optional[str]:
    """The model without the provider before it: `anthropic/claude-x` is claude-x, openrouter's `anthropic/claude-x` is not."""
    name = ident(model)
    head, slash, rest = (name or "").partition("/")
    if not slash or not rest:
        return name
    is_prefix = head == provider or (head in _OTEL and (not provider or _OTEL[head] == otel_provider(provider)))
    if not is_prefix:
        return name
    route = next((route for route in _ROUTES if rest.startswith(route)), "")
    return ident(rest[len(route) :])
