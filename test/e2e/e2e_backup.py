#!/usr/bin/env python3
"""A database that is older than what runs destroys nothing: visitors notice neither the restored backup nor that it is
accepted."""
import glob
import os
import signal
import subprocess

from harness import Load, Scenario, condition, eventually, main, service

STRATEGY = {"drainSeconds": 1, "minReadySeconds": 0}


def postgres_program(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else name


class Backup(Scenario):
    def deploy(self, version):
        self.platform.apply(service("kept", self.platform.image(f"kept:{version}", version), replicas=2,
                                    strategy=STRATEGY))
        self.platform.wait_ready("kept")
        eventually(lambda: len(self.platform.containers("kept")) == 2, 60, f"only {version} is left")

    def database(self, program, *words):
        subprocess.run([postgres_program(program), *words, "--dbname", self.platform.endpoints["databaseUrl"]], check=True,
                       timeout=60)

    def ready(self):
        return condition(self.platform.service("kept"), "Ready")

    def test_a_backup_is_restored_and_accepted(self):
        self.deploy("old")
        dump = os.path.join(self.platform.state, "backup.dump")
        self.database("pg_dump", "--format=custom", "--file", dump)
        self.deploy("new")
        containers = {each["Id"] for each in self.platform.containers("kept")}
        with Load(self.platform, "kept", visitors=2) as load:
            pids = self.platform.pids()
            self.platform.kill()
            for part in ("controller", "api", "worker"):
                os.kill(pids[part], signal.SIGKILL)
            self.database("pg_restore", "--clean", "--if-exists", "--single-transaction", dump)
            self.platform.start()
            eventually(lambda: self.ready()["reason"] == "DatabaseBehind", 60, "the Service says so")
            self.assertIn("revision 2", self.ready()["message"])
            eventually(lambda: [each for each in self.platform.api("GET", "/api/v1/events")[1]["items"]
                                if each["reason"] == "DatabaseBehind"], 30, "an Event says so")
            seen = load.requests
            eventually(lambda: load.requests > seen + 200, 60, "200 more requests were answered")
            self.assertEqual(self.platform.version("kept"), "new")
            self.assertEqual({each["Id"] for each in self.platform.containers("kept")}, containers)
            # A person accepts it: what the backup says is made, and only then what it doesn't know goes.
            os.remove(os.path.join(self.platform.state, "leader.json"))
            self.platform.signal("controller", signal.SIGKILL)
            eventually(lambda: self.platform.version("kept") == "old", 90, "visitors see what the backup says")
            self.platform.wait_ready("kept")
            eventually(lambda: len(self.platform.containers("kept")) == 2, 60, "the others are gone")
        self.assertEqual(load.failures, [], f"{len(load.failures)} of {load.requests} requests failed")
        self.deploy("next")
        self.assertEqual(self.platform.version("kept"), "next")


if __name__ == "__main__":
    main()
