"""Finds credentials that lie in plain text in settings of agents and tools. No value, prefix, hash or path leaves this module.

First by structure: a literal under a key that means a secret, in `env`, `headers`, arguments or an address. Then by the
beginnings that vendors give their tokens. References (`${TOKEN}`, helper commands, keychains) are what we want to see: no finding.
"""

import os
import re
import stat
import time
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple

from meterhouse_collector.agent_settings import ConfigFile, known
from meterhouse_collector.durable import SYNCED
from meterhouse_collector.host import Host, parse_json, read_bytes
from meterhouse_collector.toml_subset import parse_toml

SIZE_MAX = 8 << 20
DEPTH_MAX = 40
AGES = (0, 7, 30, 90, 365)  # days; a finding says the largest that its file has reached
OTHERS = (
    ConfigFile("databrickscfg", ".databrickscfg"),
    ConfigFile("aws_credentials", ".aws/credentials"),
    ConfigFile("netrc", ".netrc"),
    ConfigFile("npmrc", ".npmrc"),
)
IN_PROJECT = (
    ConfigFile("project_mcp", ".mcp.json"),
    ConfigFile("project_claude_settings", ".claude/settings*.json"),
    ConfigFile("project_cursor_mcp", ".cursor/mcp.json"),
    ConfigFile("project_vscode_mcp", ".vscode/mcp.json"),
    ConfigFile("project_env", ".env"),
)
CLASSES = (  # of key names, the first that fits; a class is told, a name never
    ("password", re.compile(r"passw(or)?d|passwd|passphrase|^pwd$")),
    ("header", re.compile(r"^(proxy_)?authorization$|^x_auth$|^cookie$")),
    ("key", re.compile(r"(api|access|auth|private|secret|account|service|subscription)_?key$|^key$|apikey$")),
    ("secret", re.compile(r"secret|credential")),
    ("token", re.compile(r"(^|_)(token|pat|bearer|jwt)$|authtoken|(access|auth|refresh|bearer|api|bot)_?token|_auth$")),
)
ABOUT = re.compile(  # names of what is about a secret and none itself
    r"(^|_)(count|limit|budget|ttl|env_?vars?|file|path|dir|helper|command|cmd|ur[il]|endpoint|name|id|arn|type|store|process|provider|source)$"
    r"|^max_"
)
REFERENCE = re.compile(
    r"^\s*(?:(?:bearer|basic|token)\s+)?(?:\$\{?\w+.*|%\w+%|\{(?:env|file|input|keychain):.*|\$\{.*|\$\(.*|<.*>|!.*|"
    r"(?:op|vault|keychain|keyring|aws-sm|azure-kv|gcp-sm|secret|env|file):.*)\s*$",
    re.IGNORECASE | re.DOTALL,
)
PLACEHOLDER = re.compile(
    r"^(?:[x*.•-]+|(?:your|my|enter|insert|change|replace|todo|example|dummy|none|null|true|false)\b.*|your[_-].*)$",
    re.IGNORECASE,
)
LENGTH_MIN = 6
PREFIXED = re.compile(  # from vendors' pages on their own tokens
    r"(?<![A-Za-z0-9])(?:"
    r"sk-ant-(?:api|admin|oat)\d\d-[A-Za-z0-9_-]{20,}|sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,}|sk-[A-Za-z0-9]{32,}"
    r"|(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,}|glpat-[A-Za-z0-9_-]{20,}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{35}|dapi[0-9a-f]{32}"
    r"|npm_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{40,})"
)
FLAG = re.compile(r"^--?([A-Za-z][A-Za-z0-9_-]*)(?:=(.*))?$", re.DOTALL)
USERINFO = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:([^/\s@]+)@", re.IGNORECASE)
ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_/][\w.:/@-]*)\s*[=:]\s*(.*?)\s*$")
HEADERS = re.compile(r"headers$", re.IGNORECASE)  # all in one text, as OTEL_EXPORTER_OTLP_HEADERS has them
SECRET_HEADER = re.compile(r"(authorization|key|token|secret)[\w-]*\s*[=:]", re.IGNORECASE)
PROJECTS_MAX = 500
_SPLIT = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[-.\s]+")


class Finding(NamedTuple):
    """One group of findings: all that differs in none of these."""

    kind: str
    rule: str
    key_class: str
    mode: str
    age_days: int


def find(host: Host, projects: Iterable[str] = ()) -> Dict[Finding, int]:
    """Findings of this home and of project folders, with their number."""
    counts: Dict[Finding, int] = {}
    for kind, path, is_store, root in _files(host, projects):
        try:
            status = os.stat(path)
        except OSError:
            continue
        if not stat.S_ISREG(status.st_mode):
            continue
        age, mode = _age(status.st_mtime), _mode(path, status.st_mode, root)
        for rule, key_class in _in_file(path, status.st_size, is_store):
            finding = Finding(kind, rule, key_class, mode, age)
            counts[finding] = counts.get(finding, 0) + 1
    return counts


def _files(host: Host, projects: Iterable[str]) -> Iterator[Tuple[str, Path, bool, Path]]:
    seen: Set[str] = set()
    for agent in known():
        for file in agent.files:
            moved = host.folder(agent.folder_variable, "") if host.environment.get(agent.folder_variable) else None
            first = agent.folders[0] + "/"
            if moved and file.pattern.startswith(first):
                yield from _matches(moved, file, file.pattern[len(first) :], seen)
            else:
                yield from _matches(host.home, file, file.pattern, seen)
    for file in OTHERS:
        yield from _matches(host.home, file, file.pattern, seen)
    for project in islice(projects, PROJECTS_MAX):
        for file in IN_PROJECT:
            yield from _matches(Path(project), file, file.pattern, seen)


def _matches(root: Path, file: ConfigFile, pattern: str, seen: Set[str]) -> Iterator[Tuple[str, Path, bool, Path]]:
    try:
        paths = sorted(root.glob(pattern)) if "*" in pattern else [root / pattern]
    except (OSError, RuntimeError):  # a loop of links
        return
    for path in paths:
        real = os.path.realpath(path)
        if real not in seen:
            seen.add(real)
            yield file.kind, path, file.is_store, root


def _in_file(path: Path, size: int, is_store: bool) -> Iterator[Tuple[str, str]]:
    """Rule and class of key name for each finding; the values stay in here."""
    if is_store:
        if size > 2:  # an empty object is none
            yield "store", "other"
        return
    data = read_bytes(path, SIZE_MAX)
    if data is None:
        yield "not_read", "other"
        return
    text = data.decode("utf-8-sig", "replace")
    literals: List[str] = []
    for rule, key_class, value in _structural(path, text):
        literals.append(value)
        yield rule, key_class
    for found in PREFIXED.finditer(text):
        if not any(found.group() in value for value in literals):
            yield "known_prefix", "other"


def _structural(path: Path, text: str) -> Iterator[Tuple[str, str, str]]:
    """Rule, class and value of every literal."""
    name = path.name
    if name.endswith((".json", ".jsonc")):
        yield from _walk(parse_json(text), "", 0)
    elif name.endswith(".toml"):
        yield from _walk(parse_toml(text), "", 0)
    elif name == ".netrc":
        for value in re.findall(r"\bpassword\s+(\S+)", text):
            if _is_literal(value):
                yield "literal_in_settings", "password", value
    else:
        for line in text.splitlines():
            pair = ASSIGNMENT.match(line)
            if pair:
                key = pair.group(1).rsplit(":", 1)[-1]
                yield from _value(
                    key, pair.group(2).strip("\"'"), "literal_in_env" if name == ".env" else "literal_in_settings"
                )


def _walk(value: Any, parent: str, depth: int) -> Iterator[Tuple[str, str, str]]:
    if depth > DEPTH_MAX:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str):
                yield from _value(key, inner, _rule(parent))
            elif key in ("args", "command") and isinstance(inner, list):
                yield from _arguments(inner)
            elif key != "env_http_headers":  # of Codex: names of variables
                yield from _walk(inner, key, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, str):
                yield from _address(inner)
            else:
                yield from _walk(inner, parent, depth + 1)


def _rule(parent: str) -> str:
    if parent in ("env", "environment"):
        return "literal_in_env"
    return "literal_in_headers" if parent.lower().endswith("headers") else "literal_in_settings"


def _value(key: str, value: str, rule: str) -> Iterator[Tuple[str, str, str]]:
    key_class = _class(key) or ("header" if HEADERS.search(key) and SECRET_HEADER.search(value) else None)
    if key_class and _is_literal(value):
        yield rule, key_class, value
    else:
        yield from _address(value)


def _arguments(words: List[Any]) -> Iterator[Tuple[str, str, str]]:
    """`--token VALUE`, `--token=VALUE`, and `--header "Authorization: Bearer VALUE"`."""
    awaited: Optional[str] = None
    for word in words:
        if not isinstance(word, str):
            awaited = None
            continue
        flag = FLAG.match(word)
        header = re.match(r"^([A-Za-z][A-Za-z-]*):\s*(.*)$", word, re.DOTALL)
        if flag:
            awaited = _class(flag.group(1)) if flag.group(2) is None else None
            if flag.group(2) is not None:
                yield from _value(flag.group(1), flag.group(2), "literal_in_args")
        elif awaited and _is_literal(word):
            yield "literal_in_args", awaited, word
            awaited = None
        elif header and "://" not in word:
            yield from _value(header.group(1), header.group(2), "literal_in_args")
            awaited = None
        else:
            yield from _address(word)
            awaited = None


def _address(value: str) -> Iterator[Tuple[str, str, str]]:
    for found in USERINFO.finditer(value):
        if _is_literal(found.group(1)):
            yield "userinfo_in_url", "password", found.group(1)


def _class(key: str) -> Optional[str]:
    """The class of a key's name, however it is written; None for one that means no secret."""
    name = _SPLIT.sub("_", key).replace("/", "_").lower().strip("_")
    if ABOUT.search(name):
        return None
    return next((kind for kind, pattern in CLASSES if pattern.search(name)), None)


def _is_literal(value: str) -> bool:
    bare = re.sub(r"^(?:bearer|basic|token)\s+", "", value.strip(), flags=re.IGNORECASE)
    return len(bare) >= LENGTH_MIN and not REFERENCE.match(value) and not PLACEHOLDER.match(bare) and "${" not in bare


def _age(changed: float) -> int:
    days = max(0.0, time.time() - changed) / 86400
    return max(age for age in AGES if age <= days)


def _mode(path: Path, bits: int, root: Path) -> str:
    """The worst of: in a synced folder, in a git work tree, readable by all, by the group, by its owner alone."""
    parts = [part.lower() for part in os.path.realpath(path).split(os.sep)]
    if any(part.startswith(name) for part in parts for name in SYNCED):
        return "synced"
    folder = path.parent
    while True:
        if (folder / ".git").exists():
            return "in_git"
        if folder == root or folder.parent == folder:
            break
        folder = folder.parent
    if os.name == "nt":
        return "unknown"
    return "world_readable" if bits & 0o004 else "group_readable" if bits & 0o040 else "private"
