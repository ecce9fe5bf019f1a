#!/usr/bin/env python3
"""An engine that is stuck on a container (its shim does not answer) holds up neither other Services nor the end of
`helvetia up`, which leaves nothing behind. Long, since the engine is given its time."""
import os
import signal
import threading

from harness import Scenario, eventually, main, service


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def shim_of(platform, container):
    pid = platform.docker("GET", f"/containers/{container}/json")["State"]["Pid"]
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return int(file.read().rsplit(")", 1)[1].split()[1])


def call(platform, method, path):
    """One that may never be answered."""
    try:
        platform.docker(method, path)
    except (OSError, AssertionError):
        pass


HELD = 8  # more than the controller has workers


class Stuck(Scenario):
    def test_a_others_go_on(self):
        platform = self.platform
        tag = platform.image("apart:1", "one")
        for number in range(HELD):
            platform.apply(service(f"held{number}", tag))
        for number in range(HELD):
            platform.wait_ready(f"held{number}")
        held = [platform.containers(f"held{number}")[0]["Id"] for number in range(HELD)]
        shims = [shim_of(platform, each) for each in held]
        for shim in shims:
            os.kill(shim, signal.SIGSTOP)
        calls = [threading.Thread(target=call, args=(platform, "POST", f"/containers/{each}/pause")) for each in held]
        for each in calls:  # each holds its container's lock: an inspect isn't answered any more
            each.start()
        try:
            for number in range(HELD):
                platform.patch(f"held{number}", {"resources": {"memory": "100Mi"}})
            for number in range(3):
                # Not public: Traefik inspects every container as well, and waits.
                platform.apply(service(f"free{number}", tag, expose="internal"))
                platform.wait_ready(f"free{number}", 60)
        finally:
            for shim in shims:  # what docs/operations.md advises
                os.kill(shim, signal.SIGKILL)
        for each in calls:
            each.join(90)
        for number in range(HELD):
            platform.wait_ready(f"held{number}", 120)
            self.assertEqual(platform.version(f"held{number}"), "one")
        for name in [f"held{number}" for number in range(HELD)] + [f"free{number}" for number in range(3)]:
            platform.delete(name)

    def test_ctrl_c_leaves_nothing(self):
        platform = self.platform
        platform.apply(service("kept", platform.image("kept:1", "one"), replicas=2))
        platform.wait_ready("kept")
        containers = [each["Id"] for each in platform.containers("kept")]
        inside = [platform.docker("GET", f"/containers/{each}/json")["State"]["Pid"] for each in containers]
        for pid in inside:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                shim = int(file.read().rsplit(")", 1)[1].split()[1])
            os.kill(shim, signal.SIGSTOP)
        self.assertEqual(platform.interrupt(240), 0)
        self.assertIn("once more with a fresh engine", platform.said())
        self.assertEqual([pid for pid in inside if alive(pid)], [])
        with open("/proc/self/mounts", encoding="utf-8") as file:
            self.assertNotIn(platform.state, file.read())
        platform.start()
        eventually(lambda: platform.version("kept") == "one", 60, "visitors see it again")


if __name__ == "__main__":
    main()
