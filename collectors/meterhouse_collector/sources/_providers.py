"""Providers by OpenTelemetry's names, for agents that let a person choose one; a name that is not listed stays as it is."""

from typing import Any, Optional

from meterhouse_collector.json_values import ident

_OTEL = {
    "amazon-bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "azure-cognitive-services": "azure.ai.openai",
    "azure-openai-responses": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "github-copilot": "github_copilot",
    "github-copilot-enterprise": "github_copilot",
    "google": "gcp.gemini",
    "google-gemini-cli": "gcp.gemini",
    "google-vertex": "gcp.vertex_ai",
    "google-vertex-anthropic": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "moonshotai": "moonshot_ai",
    "openai-codex": "openai",
    "openai-native": "openai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}


def otel_provider(name: Any) -> Optional[str]:
    """The provider in OpenTelemetry's words, where it has one."""
    return _OTEL.get(name, ident(name)) if isinstance(name, str) else None
