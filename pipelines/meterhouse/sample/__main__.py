"""`python -m meterhouse.sample`: writes the sample organisation, or the demo home folder, below a folder."""

import argparse
import sys
from pathlib import Path

from meterhouse.errors import MeterhouseError
from meterhouse.sample import home, organisation, story


def main(arguments: list[str] | None = None) -> int:
    """Run one of the two commands; 0 when the files are there."""
    parser = argparse.ArgumentParser(prog="python -m meterhouse.sample", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("organisation", "home"), default="organisation")
    parser.add_argument("--to", type=Path, required=True, help="folder to write into")
    parser.add_argument("--seed", type=int, help="another seed than organisation.toml's")
    parser.add_argument("--story", type=Path, default=story.default_folder(), help="folder of organisation.toml")
    parser.add_argument("--prices", action="store_true", help="also write expected-costs.json (needs genai-prices)")
    given = parser.parse_args(arguments)
    try:
        told = story.read(given.story, given.seed)
        if given.what == "home":
            home.lay_out(told, given.story, given.to)
        else:
            _organisation(told, given.to, given.prices)
    except MeterhouseError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _organisation(told: story.Story, to: Path, with_prices: bool) -> None:
    made = organisation.make(told)
    organisation.write(made, to)
    if with_prices:
        from meterhouse.sample.costs import costs

        document = costs(told, made.people, made.drafts, made.runaway)
        (to / "expected-costs.json").write_bytes(organisation.as_json(document))
    size = sum(len(segment.content) for segment in made.segments)
    print(
        f"{to}: {len(made.people)} people, {made.expected['lines']:,} lines in {len(made.segments)} segments, "
        f"{size / 1e6:.1f} MB",
        file=sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(main())
