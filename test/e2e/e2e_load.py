#!/usr/bin/env python3
"""Visitors at a fixed rate through the real Traefik, all kinds of requests, while several Services at once roll out, scale
and roll back: nothing is dropped, and nobody sees an old revision once the new one is routed.

HELVETIA_CHANGES is the number of changes (21), HELVETIA_RATE the requests a second (200).
"""
import json
import os
import subprocess
import threading
import time

from harness import PROGRAMS, Scenario, condition, eventually, main, say, service

CHANGES = int(os.environ.get("HELVETIA_CHANGES", "21"))
RATE = int(os.environ.get("HELVETIA_RATE", "200"))
NAMES = ("red", "green", "blue")
KINDS = ("roll out", "scale up", "roll out", "roll back", "scale down", "roll out")
STRATEGY = {"drainSeconds": 1, "minReadySeconds": 0}


class Visitors:
    """helvetia-load, told which revision of each Service is routed."""

    def __init__(self, platform):
        self.platform = platform
        self.lock = threading.Lock()
        hosts = [f"{name}.{platform.endpoints['domain']}" for name in NAMES]
        self.process = subprocess.Popen([os.path.join(PROGRAMS, "helvetia-load"), str(platform.http_port),
                                         str(platform.https_port), str(RATE), *hosts], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "running\n"

    def routed(self, name, revision):
        with self.lock:
            self.process.stdin.write(f"floor {name}.{self.platform.endpoints['domain']} {revision}\n")
            self.process.stdin.flush()

    def end(self):
        report, _ = self.process.communicate("end\n", 60)
        return self.process.returncode, json.loads(report)


class Changer(threading.Thread):
    """Changes one Service again and again until enough was changed in all."""

    def __init__(self, load, name):
        super().__init__(daemon=True)
        self.load = load
        self.platform = load.platform
        self.name = name
        self.version = 0
        self.number = NAMES.index(name) * 2  # not all the same at the same time
        self.replicas = 1
        self.error = None

    def run(self):
        try:
            while self.load.another():
                self.change()
        except BaseException as error:  # shown by the test
            self.error = error

    def change(self):
        kind = KINDS[self.number % len(KINDS)]
        self.number += 1
        before = self.revision()
        if kind.startswith("scale"):
            self.replicas = 3 if kind == "scale up" else 1
            self.platform.patch(self.name, {"replicas": self.replicas})
        elif kind == "roll back" and self.version > 1:
            self.platform.command("rollback", self.name)
            eventually(lambda: self.revision() > before, 90, f"{self.name} rolls back")
        else:
            kind = "roll out"
            self.version += 1
            self.load.deploy(self.name, self.version, self.replicas)
            eventually(lambda: self.revision() > before, 90, f"{self.name} rolls out")
        self.platform.wait_ready(self.name, 90)
        self.load.done(kind)

    def revision(self):
        """Of what is routed; the visitors are told."""
        found = self.platform.service(self.name)
        revision = int(found["status"]["currentDeployment"].rsplit("-r", 1)[1])
        if condition(found, "Routed")["status"] == "True":
            self.load.visitors.routed(self.name, revision)
        return revision


class OpenLoop(Scenario):
    def another(self):
        with self.lock:
            self.left -= 1
            return self.left >= 0

    def done(self, kind):
        with self.lock:
            self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def deploy(self, name, version, replicas):
        tag = self.platform.image(f"{name}:{version}", str(version))
        self.platform.apply(service(name, tag, replicas=replicas, strategy=STRATEGY))

    def test_1_nothing_is_dropped_and_nobody_sees_an_old_revision(self):
        self.lock = threading.Lock()
        self.left, self.kinds = CHANGES, {}
        for name in NAMES:
            self.deploy(name, 0, 1)
        for name in NAMES:
            self.platform.wait_ready(name)
        self.visitors = Visitors(self.platform)
        begun = time.monotonic()
        changers = [Changer(self, name) for name in NAMES]
        try:
            for changer in changers:
                changer.start()
            for changer in changers:
                changer.join()
        finally:
            code, report = self.visitors.end()
        seconds = time.monotonic() - begun
        say(f"    {sum(self.kinds.values())} changes ({self.kinds}) in {seconds:.0f} s, {report['all']['requests']} requests "
            f"of {len(report['kinds'])} kinds, {report['messages']} WebSocket messages; ms {report['ms']}, begun at most "
            f"{report['lagMs']} ms late, {report['unsent']} not at all; {report['all']}; {report['failures']}")
        for changer in changers:
            self.assertIsNone(changer.error, changer.name)
        for what in ("failed", "late", "retried", "stale"):
            self.assertEqual(report["all"][what], 0, json.dumps(report, indent=1))
        self.assertEqual(report["unsent"], 0, "this machine is too busy for so many requests: HELVETIA_RATE")
        self.assertEqual(code, 0)
        self.assertEqual(sum(self.kinds.values()), CHANGES)
        for kind, count in report["kinds"].items():
            self.assertGreater(count["requests"], 0, kind)
        self.assertGreater(report["all"]["requests"], RATE * (seconds - 15) * 0.95, "the rate was kept")

    def test_2_these_visitors_would_see_a_dropped_request(self):
        """What the test above stands on: one replica that is killed by hand is noticed."""
        name = NAMES[0]
        self.platform.patch(name, {"replicas": 1})
        self.platform.wait_ready(name)
        eventually(lambda: len(self.platform.containers(name)) == 1, 60, "one container is left")
        visitors = Visitors(self.platform)
        self.platform.docker("POST", f"/containers/{self.platform.containers(name)[0]['Id']}/kill")
        # A floor that no revision reaches: every answer is an old one.
        visitors.routed(NAMES[1], 1000000)
        eventually(lambda: self.platform.ready(name) and self.platform.version(name), 60, "it was healed")
        code, report = visitors.end()
        self.assertEqual(code, 1)
        self.assertGreater(report["all"]["failed"], 0, report)
        self.assertGreater(report["all"]["stale"], 0, report)


if __name__ == "__main__":
    main()
