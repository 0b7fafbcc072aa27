"""The command: servers in turn, round by round, for each number of clients; JSON, a table and a page."""

import argparse
import json
import os
import shlex
import sys
import time
from pathlib import Path

import apus
from compare import peers
from compare.command import commit, machine

from .load import LONGEST, measure, prompts
from .page import page
from .servers import Apus, LlamaServer

OUTPUT = apus.ROOT / ".cache/serve"
# What Apus promises beside llama-server: times as many tokens a second by the number of clients, a share of the time to
# the first token, and CPU time beside the threads that compute.
SPEED = {1: 1.2, 8: 1.5, 16: 1.5}
FIRST_TOKEN = 0.5
OWN_CPU_MICROSECONDS = 100


def arguments_of(words):
    parser = argparse.ArgumentParser(prog="serve", description=__doc__)
    parser.add_argument("--model", type=apus.model_path, default=apus.model_path("smollm2"), help="a GGUF file")
    parser.add_argument("--apus", type=Path, default=apus.BINARY, metavar="PATH")
    parser.add_argument("--llama-server", metavar="PATH", help="llama.cpp's, beside Apus; 'build' builds it first")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 8, 16], metavar="N")
    parser.add_argument("--requests", type=int, default=32, help="requests a round, of all clients together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=300, help="seconds that a request may be silent")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="FOLDER")
    return parser.parse_args(words)


def medians(rows, name, clients):
    """The medians of a server's figures; nothing where a round failed."""
    mine = [row for row in rows if row["server"] == name and row["clients"] == clients]
    if not mine or any("error" in row for row in mine):
        return None

    def middle(values):
        return sorted(values)[len(mine) // 2]

    return {
        "speed": middle(row["tokens_per_second"] for row in mine),
        "first": middle(row["first_token_seconds"]["95"] for row in mine),
        "cpu": middle(row["own_cpu_microseconds_per_token"] for row in mine),
    }


def verdicts(data):
    """What was promised: (what, found, wanted, whether it is reached)."""
    for clients in data["clients"]:
        ours, *others = (medians(data["rows"], name, clients) for name in data["servers"])
        if not ours:
            yield f"{clients} clients", "failed", "answers", False
            continue
        cpu = ours["cpu"]
        yield (
            f"{clients} clients, own CPU",
            f"{cpu:.0f} µs",
            f"≤ {OWN_CPU_MICROSECONDS} µs",
            cpu <= OWN_CPU_MICROSECONDS,
        )
        for theirs in filter(None, others):
            speed, first = ours["speed"] / theirs["speed"], ours["first"] / theirs["first"]
            if wanted := SPEED.get(clients):
                yield f"{clients} clients, tokens/s", f"{speed:.2f} ×", f"≥ {wanted} ×", speed >= wanted
            yield f"{clients} clients, first token", f"{first:.2f} ×", f"≤ {FIRST_TOKEN} ×", first <= FIRST_TOKEN


def main(words=None):
    """The command."""
    arguments = arguments_of(words)
    servers = [Apus(arguments.apus)]
    if path := arguments.llama_server:
        servers.append(LlamaServer(peers.llama_server() if path == "build" else path))
    data = {
        "command": shlex.join(["python", "Benchmarks/serve", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": commit(),
        "machine": machine(),
        "threads": len(os.sched_getaffinity(0)),
        "model": arguments.model.name,
        "servers": [server.name for server in servers],
        "clients": sorted(set(arguments.clients)),
        "requests": arguments.requests,
        "rounds": arguments.rounds,
        "rows": [],
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    for number in range(arguments.rounds):
        for clients in data["clients"]:
            # Others in each round, so that nothing was computed before.
            requests = prompts(arguments.requests, number * 1000 + clients)
            for server in servers if number % 2 == 0 else reversed(servers):
                row = measure(server, arguments.model, clients, requests, LONGEST + 500, arguments.timeout)
                data["rows"].append({"round": number + 1, **row})
                print(json.dumps(data["rows"][-1]), file=sys.stderr, flush=True)
                (arguments.output / "serve.json").write_text(json.dumps(data, indent=1) + "\n")
                (arguments.output / "serve.html").write_text(page(data))
    reached = True
    for what, found, wanted, ok in verdicts(data):
        print(f"{'ok  ' if ok else 'MISS'} {what}: {found}, wanted {wanted}")
        reached = reached and ok
    print(arguments.output / "serve.html")
    return 0 if reached else 1
