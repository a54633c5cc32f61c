"""The four wire formats that agents speak, both ways: what a request says, and an answer as a body or as server-sent events.

Nothing here decides what to answer or counts tokens: an answer's numbers are those of its `Billed`, in each format's own arithmetic.
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Event = tuple[str | None, Any]  # name, data


@dataclass(frozen=True)
class Call:
    """A tool call in the agent's own words; `is_freeform` for tools that take plain text (Codex's apply_patch)."""

    name: str
    arguments: Any
    is_freeform: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:24])


@dataclass(frozen=True)
class Billed:
    """One response and what it costs. Tokens are disjoint; `output` includes `reasoning`."""

    id: str
    request_id: str
    model: str
    input: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int


@dataclass(frozen=True)
class Asked:
    """What a request says: its model, the texts of its user, the names of its tools."""

    model: str
    texts: list[str]
    tools: list[str]
    is_stream: bool


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or [] if isinstance(part, dict) and isinstance(part.get("text"), str)]


def _users(messages: Any) -> list[str]:
    if isinstance(messages, str):
        return [messages]
    return [text for message in messages if message.get("role") == "user" for text in _texts(message.get("content"))]


class Anthropic:
    """POST …/v1/messages."""

    api, prefix, ends = "anthropic", "msg_", ("/messages",)

    @staticmethod
    def asked(path: str, body: Any) -> Asked:
        return Asked(body["model"], _users(body["messages"]), [tool["name"] for tool in body.get("tools") or []], bool(body.get("stream")))  # fmt: skip

    @staticmethod
    def usage(billed: Billed) -> dict[str, Any]:
        return {
            "input_tokens": billed.input,
            "cache_creation_input_tokens": billed.cache_write,
            "cache_read_input_tokens": billed.cache_read,
            "cache_creation": {"ephemeral_5m_input_tokens": billed.cache_write, "ephemeral_1h_input_tokens": 0},
            "output_tokens": billed.output,
            "service_tier": "standard",
        }

    @classmethod
    def body(cls, billed: Billed, text: str, calls: list[Call]) -> dict[str, Any]:
        content = [{"type": "text", "text": text}] if text else []
        content += [{"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name, "input": call.arguments} for call in calls]  # fmt: skip
        stop = "tool_use" if calls else "end_turn"
        return {"id": billed.id, "type": "message", "role": "assistant", "model": billed.model, "content": content,
                "stop_reason": stop, "stop_sequence": None, "usage": cls.usage(billed)}  # fmt: skip

    @classmethod
    def events(cls, billed: Billed, text: str, calls: list[Call]) -> Iterator[Event]:
        body = cls.body(billed, text, calls)
        begin = {**body, "content": [], "stop_reason": None, "usage": {**body["usage"], "output_tokens": 1}}
        yield "message_start", {"type": "message_start", "message": begin}
        for index, block in enumerate(body["content"]):
            empty = {**block, "input": {}} if block["type"] == "tool_use" else {"type": "text", "text": ""}
            yield "content_block_start", {"type": "content_block_start", "index": index, "content_block": empty}
            delta = (
                {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
                if block["type"] == "tool_use"
                else {"type": "text_delta", "text": block["text"]}
            )
            yield "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}
            yield "content_block_stop", {"type": "content_block_stop", "index": index}
        end = {"stop_reason": body["stop_reason"], "stop_sequence": None}
        yield "message_delta", {"type": "message_delta", "delta": end, "usage": body["usage"]}
        yield "message_stop", {"type": "message_stop"}

    @staticmethod
    def refusal() -> dict[str, Any]:
        return {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}


class Responses:
    """POST …/v1/responses (OpenAI)."""

    api, prefix, ends = "responses", "resp_", ("/responses",)

    @staticmethod
    def asked(path: str, body: Any) -> Asked:
        tools = [tool.get("name") or tool.get("type", "") for tool in body.get("tools") or []]
        return Asked(body["model"], _users(body["input"]), tools, bool(body.get("stream")))

    @staticmethod
    def body(billed: Billed, text: str, calls: list[Call]) -> dict[str, Any]:
        output: list[dict[str, Any]] = []
        if text:
            content = [{"type": "output_text", "text": text, "annotations": []}]
            output.append({"type": "message", "id": f"msg_{billed.id}", "role": "assistant", "status": "completed", "content": content})  # fmt: skip
        for call in calls:
            told = (
                {"type": "custom_tool_call", "input": call.arguments}
                if call.is_freeform
                else {"type": "function_call", "arguments": json.dumps(call.arguments)}
            )
            output.append({**told, "id": f"fc_{call.id}", "call_id": f"call_{call.id}", "name": call.name, "status": "completed"})  # fmt: skip
        whole = billed.input + billed.cache_read + billed.cache_write
        usage = {
            "input_tokens": whole,
            "input_tokens_details": {"cached_tokens": billed.cache_read},
            "output_tokens": billed.output,
            "output_tokens_details": {"reasoning_tokens": billed.reasoning},
            "total_tokens": whole + billed.output,
        }
        return {"id": billed.id, "object": "response", "created_at": 0, "status": "completed", "model": billed.model,
                "output": output, "usage": usage, "parallel_tool_calls": True, "tools": [], "metadata": {}}  # fmt: skip

    @classmethod
    def events(cls, billed: Billed, text: str, calls: list[Call]) -> Iterator[Event]:
        body = cls.body(billed, text, calls)
        told: list[dict[str, Any]] = [{"type": "response.created", "response": {**body, "status": "in_progress", "output": [], "usage": None}}]  # fmt: skip
        for index, item in enumerate(body["output"]):
            place = {"output_index": index, "item_id": item["id"]}
            told.append({"type": "response.output_item.added", "output_index": index, "item": _begun(item)})
            if item["type"] == "message":
                part = {"type": "output_text", "text": "", "annotations": []}
                told.append({"type": "response.content_part.added", "content_index": 0, "part": part, **place})
                told.append({"type": "response.output_text.delta", "content_index": 0, "delta": text, **place})
                told.append({"type": "response.output_text.done", "content_index": 0, "text": text, **place})
            elif item["type"] == "function_call":
                told.append({"type": "response.function_call_arguments.delta", "delta": item["arguments"], **place})
                told.append({"type": "response.function_call_arguments.done", "arguments": item["arguments"], **place})
            told.append({"type": "response.output_item.done", "output_index": index, "item": item})
        told.append({"type": "response.completed", "response": body})
        for number, event in enumerate(told):
            yield event["type"], {**event, "sequence_number": number}

    @staticmethod
    def refusal() -> dict[str, Any]:
        return {"error": {"type": "rate_limit_exceeded", "code": "rate_limit_exceeded", "message": "slow down"}}


def _begun(item: dict[str, Any]) -> dict[str, Any]:
    empty = {"message": {"content": []}, "function_call": {"arguments": ""}, "custom_tool_call": {"input": ""}}
    return {**item, "status": "in_progress", **empty[item["type"]]}


class Chat:
    """POST …/chat/completions (OpenAI and all that follow it)."""

    api, prefix, ends = "chat", "chatcmpl-", ("/chat/completions",)

    @staticmethod
    def asked(path: str, body: Any) -> Asked:
        tools = [tool["function"]["name"] for tool in body.get("tools") or []]
        return Asked(body["model"], _users(body["messages"]), tools, bool(body.get("stream")))

    @staticmethod
    def body(billed: Billed, text: str, calls: list[Call]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if calls:
            message["tool_calls"] = [
                {"index": number, "id": f"call_{call.id}", "type": "function",
                 "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}
                for number, call in enumerate(calls)
            ]  # fmt: skip
        whole = billed.input + billed.cache_read + billed.cache_write
        usage = {
            "prompt_tokens": whole,
            "completion_tokens": billed.output,
            "total_tokens": whole + billed.output,
            "prompt_tokens_details": {"cached_tokens": billed.cache_read},
            "completion_tokens_details": {"reasoning_tokens": billed.reasoning},
        }
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
        return {"id": billed.id, "object": "chat.completion", "created": 0, "model": billed.model, "choices": [choice], "usage": usage}  # fmt: skip

    @classmethod
    def events(cls, billed: Billed, text: str, calls: list[Call]) -> Iterator[Event]:
        body = cls.body(billed, text, calls)
        choice = body["choices"][0]
        head = {"id": billed.id, "object": "chat.completion.chunk", "created": 0, "model": billed.model}
        yield None, {**head, "choices": [{"index": 0, "delta": choice["message"], "finish_reason": None}]}
        yield None, {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]}
        yield None, {**head, "choices": [], "usage": body["usage"]}
        yield None, "[DONE]"

    refusal = Responses.refusal


class Gemini:
    """POST …/models/MODEL:generateContent and :streamGenerateContent."""

    api, prefix, ends = "gemini", "", (":generateContent", ":streamGenerateContent")

    @staticmethod
    def asked(path: str, body: Any) -> Asked:
        model, _, verb = path.rpartition("/")[2].partition(":")
        users = [text for turn in body["contents"] if turn.get("role") == "user" for text in _texts(turn.get("parts"))]
        tools = [row["name"] for tool in body.get("tools") or [] for row in tool.get("functionDeclarations") or []]
        return Asked(model, users, tools, verb.startswith("stream"))

    @staticmethod
    def body(billed: Billed, text: str, calls: list[Call]) -> dict[str, Any]:
        parts: list[dict[str, Any]] = [{"text": text}] if text else []
        parts += [{"functionCall": {"name": call.name, "args": call.arguments}} for call in calls]
        whole = billed.input + billed.cache_read + billed.cache_write
        usage = {
            "promptTokenCount": whole,
            "cachedContentTokenCount": billed.cache_read,
            "candidatesTokenCount": billed.output - billed.reasoning,
            "thoughtsTokenCount": billed.reasoning,
            "totalTokenCount": whole + billed.output,
        }
        candidate = {"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": billed.model, "responseId": billed.id}  # fmt: skip

    @classmethod
    def events(cls, billed: Billed, text: str, calls: list[Call]) -> Iterator[Event]:
        yield None, cls.body(billed, text, calls)

    @staticmethod
    def refusal() -> dict[str, Any]:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}
        return {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down", "details": [retry]}}


FORMATS = (Anthropic, Responses, Chat, Gemini)
