"""`token`: who may send to this intake. A new token is printed once, on stdout; the file keeps only its digest."""

import sys
from argparse import ArgumentParser, Namespace
from typing import List

from meterhouse_collector.commands.serve import add_tokens, tokens_file
from meterhouse_collector.errors import CollectorError, SettingsError
from meterhouse_collector.intake import tokens
from meterhouse_collector.intake.tokens import Token
from meterhouse_collector.place import resolve
from meterhouse_collector.settings import VARIABLES, pseudonym


def arguments(parser: ArgumentParser) -> None:
    """What this command takes besides what all do."""
    parser.add_argument("action", choices=("add", "remove", "list"), help="what to do")
    parser.add_argument(
        "name", nargs="?", help="the sender: a laptop, gateway or CI system; part of its objects' names"
    )
    parser.add_argument("--person", metavar="WHO", help="set as the person of its events: a pseudonym, or an e-mail")
    parser.add_argument("--expires", metavar="DAY", help="first UTC day on which it no longer counts")
    add_tokens(parser)


def main(arguments: Namespace) -> int:
    """Change or list the file of tokens."""
    place = resolve(arguments)
    path = tokens_file(arguments, place)
    known = _known(path, arguments.action)
    if arguments.action == "list":
        for token in known:
            print(f"{token.name}\t{token.person_key or 'names anybody'}\t{token.expires or 'no end'}")
        return 0
    if not arguments.name:
        raise CollectorError("token: which sender? give a name")
    others = [token for token in known if token.name != arguments.name]
    if arguments.action == "remove":
        if len(others) == len(known):
            raise CollectorError(f"{path}: knows no {arguments.name}; see token list")
        tokens.write(path, others)
        return 0
    if len(others) < len(known):
        raise CollectorError(
            f"{path}: has {arguments.name} already; remove it first, its laptop needs the new one then"
        )
    text = tokens.new()
    person = _person(arguments.person, place.settings.key)
    tokens.write(path, [*others, Token(arguments.name, tokens.digest(text), person, arguments.expires)])
    print(text)
    print(f"{path}: {arguments.name} may send; the token is not shown again", file=sys.stderr)
    return 0


def _known(path: str, action: str) -> List[Token]:
    try:
        return list(tokens.read(path))
    except SettingsError as error:
        if action == "add" and isinstance(error.__context__, FileNotFoundError):
            return []
        raise


def _person(who: "str | None", key: "bytes | None") -> "str | None":
    if who is None or "@" not in who:
        return who
    if key is None:
        raise CollectorError(
            f"--person: an e-mail needs pseudonym_key in the settings (or {VARIABLES['pseudonym_key']})"
        )
    return pseudonym(who, key)
