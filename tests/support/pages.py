"""The pages for people, and what they say about the product, as data that tests can hold to it.

Belongs here: finding links, commands, settings and targets in Markdown, and what is wrong with
them. Does not belong here: what is tested.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from warehouse.home import PROJECT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ +)*assent (?!:)(.*)$")
SETTING = re.compile(r"\bASSENT_[A-Z_]+")
TARGET = re.compile(r"\bmake ([a-z][a-z-]*)")

KEY = "ASSENT_KEY_"  # followed by the name of a key


def pages() -> list[Path]:
    """Return the pages: README, everything under docs, what examples say of themselves."""
    found = [path for folder in ("docs", "examples") for path in (PROJECT / folder).rglob("*.md")]
    return [PROJECT / "README.md", *sorted(found)]


def fences(text: str, *languages: str) -> list[str]:
    """Return the fenced blocks in some languages, in order."""
    return [body for language, body in FENCE.findall(text) if language in languages]


def prose(text: str) -> str:
    """Return a page without its fenced blocks."""
    return FENCE.sub("", text)


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    bare = re.sub(r"[^\w\- ]", "", heading.lower().replace("`", ""))
    return bare.strip().replace(" ", "-")


def broken_links(page: Path, text: str) -> Iterator[str]:
    """Yield the relative links of a page that lead nowhere."""
    for link in LINK.findall(prose(text)):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        if not target.exists():
            yield link
        elif anchor and target.suffix == ".md":
            there = text if target == page else target.read_text(encoding="utf-8")
            if anchor not in map(slug, HEADING.findall(prose(there))):
                yield link


def commands(text: str) -> Iterator[tuple[str, bool]]:
    """Yield every ``assent`` command of a page, and whether it is given whole, to be typed."""
    for body in fences(text, "sh"):
        for line in body.replace("\\\n", " ").splitlines():
            if found := COMMAND.match(line.strip()):
                yield found[1], True
    for inline in re.findall(r"`([^`\n]+)`", prose(text)):
        if found := COMMAND.match(inline):
            yield found[1], False


def wrong_command(root: click.Group, said: str, *, whole: bool) -> str:
    """Return what is wrong with a command as a page shows it; "" if nothing is."""
    words = shlex.split(said, comments=True)
    command: click.Command = root
    while isinstance(command, click.Group):
        if not words or words[0].startswith("-"):
            return "" if not whole else f"a command is missing after '{command.name}'"
        found = command.commands.get(words[0])
        if found is None:
            return f"there is no command '{words[0]}'"
        command, words = found, words[1:]
        if not words and not whole:
            return ""
    try:
        command.make_context("assent", words)
    except (click.MissingParameter, click.BadOptionUsage) as error:
        return error.format_message() if whole else ""
    except click.UsageError as error:
        return error.format_message()
    return ""


def settings(text: str) -> set[str]:
    """Return the environment variables that a text names; those of keys as one."""
    return {KEY if name.startswith(KEY) else name for name in SETTING.findall(text)}


def settings_of_code(*folders: str) -> set[str]:
    """Return the environment variables that the code names."""
    files = [path for folder in folders for path in (PROJECT / folder).rglob("*.py")]
    files += [PROJECT / "Makefile", *(PROJECT / "dbt_project").glob("*.yml")]
    return set().union(*(settings(path.read_text(encoding="utf-8")) for path in files))


def targets(text: str) -> set[str]:
    """Return the targets of make that a page tells people to use."""
    code = "\n".join([*fences(text, "sh"), *re.findall(r"`([^`\n]+)`", prose(text))])
    return set(TARGET.findall(code))
