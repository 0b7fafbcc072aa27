"""Talks to `apus chat` as a person does, on a terminal of its own: chat_terminal.py APUS MODEL FOLDER.

Ends with 0 when all went as it should, else with what did not.
"""

import json
import os
import pty
import re
import select
import stat
import sys
import time

SECONDS = 30
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x08")


class Terminal:
    def __init__(self, command, environment):
        self.shown = ""
        self.seen = 0
        self.process, self.descriptor = pty.fork()
        if self.process == 0:
            os.execve(command[0], command, {**os.environ, **environment})

    def read(self, seconds):
        if not select.select([self.descriptor], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)

    def wait_for(self, condition, what):
        """Waits until what was shown since the last call satisfies a condition."""
        end = time.monotonic() + SECONDS
        while True:
            fresh = ESCAPES.sub("", self.shown[self.seen :])
            if condition(fresh):
                self.seen = len(self.shown)
                return fresh
            if time.monotonic() > end or not self.read(1) and not alive(self.process):
                raise SystemExit(f"waited for {what}, was shown: {self.shown[self.seen :]!r}")

    def prompt(self):
        return self.wait_for(lambda text: text.endswith("> "), "a prompt")

    def settle(self):
        """Passes over what is shown until nothing has come for half a second."""
        while self.read(0.5):
            pass
        self.seen = len(self.shown)

    def send(self, keys):
        os.write(self.descriptor, keys.encode())


def alive(process):
    return os.waitpid(process, os.WNOHANG)[0] == 0


def check(condition, what):
    if not condition:
        raise SystemExit(what)


def main():
    apus, model, folder = sys.argv[1:]
    history = os.path.join(folder, "state", "apus", "history")
    command = [apus, "chat", "-m", model, "-c", "200000", "--ignore-eos", "--seed", "1"]
    environment = {"TERM": "xterm", "LC_ALL": "C.UTF-8", "XDG_STATE_HOME": os.path.join(folder, "state")}
    terminal = Terminal(command, environment)
    check("/help" in terminal.prompt(), "no word of /help at the start")

    # Ctrl-C stops a reply that has no end; the program goes on.
    terminal.send("hello\r")
    terminal.wait_for(lambda text: len(text) > 60, "a reply")
    terminal.send("\x03")
    check("(stopped)" in terminal.prompt(), "Ctrl-C does not say that the reply was stopped")
    # Twice, as impatient people press it.
    terminal.send("again\r")
    terminal.wait_for(lambda text: len(text) > 60, "a reply")
    terminal.send("\x03\x03")
    terminal.wait_for(lambda text: text.endswith("> ") and "(stopped)" in text, "a prompt")
    terminal.settle()

    # At the prompt it gives up the line, and says how to leave when there is none.
    terminal.send("\x03")
    check("Ctrl-D" in terminal.prompt(), "Ctrl-C at the prompt gives no hint")
    terminal.send("a line\x03")
    shown = terminal.prompt()
    check("^C" in shown and "Ctrl-D" not in shown, f"Ctrl-C after a line: {shown!r}")

    # Editing, history, a paste of several lines.
    terminal.send("/set predict 4\r")
    terminal.prompt()
    terminal.send("wold\x1b[D\x1b[Dr\r")
    terminal.prompt()
    terminal.send("\x1b[A\x1b[A\x1b[A")
    terminal.wait_for(lambda text: "again" in text, "the line before")
    terminal.send("\x03")
    terminal.prompt()
    terminal.send("\x1b[200~one\rtwo é\x1b[201~ three\r")
    terminal.prompt()
    terminal.send("four\\\r")
    terminal.wait_for(lambda text: text.endswith(". "), "a second prompt")
    terminal.send("five\r")
    terminal.prompt()
    terminal.send('"""\r')
    terminal.wait_for(lambda text: text.endswith(". "), "a second prompt")
    terminal.send("\x03")
    terminal.prompt()
    saved = os.path.join(folder, "saved.json")
    terminal.send(f"/save {saved}\r")
    check("10 messages saved" in terminal.prompt(), "saving does not say how many")
    with open(saved) as file:
        questions = [message["content"] for message in json.load(file) if message["role"] == "user"]
    wanted = ["hello", "again", "world", "one\ntwo é three", "four\nfive"]
    check(questions == wanted, f"the questions are {questions}, wanted {wanted}")

    terminal.send("\x04")
    while terminal.read(SECONDS):
        pass
    status = os.waitpid(terminal.process, 0)[1]
    check(status == 0, f"Ctrl-D: the exit status is {status}")
    check(stat.S_IMODE(os.stat(history).st_mode) == 0o600, "others may read the history")

    # The next conversation knows the lines of the last.
    terminal = Terminal(command, environment)
    terminal.prompt()
    terminal.send("\x1b[A\x1b[A")
    terminal.wait_for(lambda text: "five" in text, "a line of the conversation before")
    terminal.send("\x03")
    terminal.prompt()
    terminal.send("/exit\r")
    while terminal.read(SECONDS):
        pass
    check(os.waitpid(terminal.process, 0)[1] == 0, "/exit is no success")


if __name__ == "__main__":
    main()
