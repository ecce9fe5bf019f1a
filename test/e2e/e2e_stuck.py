#!/usr/bin/env python3
"""An engine that is stuck on a container (its shim does not answer) can't keep `helvetia up` from leaving nothing behind.
Long, since the engine is given its time."""
import os
import signal

from harness import Scenario, eventually, main, service


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Stuck(Scenario):
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
