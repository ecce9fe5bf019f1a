#!/usr/bin/env python3
"""What is declared keeps running: every way to break a container by hand is healed, with an Event that says what
differed."""
import json
import time

from harness import Scenario, eventually, main, say, service


class Heal(Scenario):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tag = cls.platform.image("heal:1", "one")
        cls.platform.apply(service("heal", tag, replicas=1))
        cls.platform.wait_ready("heal")

    def one(self):
        found = self.platform.containers("heal")
        self.assertEqual(len(found), 1, [each["Names"] for each in found])
        return found[0]

    def healed(self, what, words):
        """The page answers, the Service is Ready, and an Event names the difference by one of these words."""
        eventually(lambda: self.platform.version("heal") == "one" and self.platform.ready("heal"), 60,
                   f"{what}: it answers again")
        eventually(lambda: [each for each in self.platform.events("heal")
                            if any(word in each["message"].lower() for word in words)], 20,
                   f"{what}: an Event says one of {words}; there are "
                   f"{json.dumps([each['message'] for each in self.platform.events('heal')])}")

    def break_and_heal(self, what, words, method, path, body=None):
        self.platform.docker(method, path.format(id=self.one()["Id"]), body)
        self.healed(what, words)

    def test_1_killed(self):
        self.break_and_heal("killed", ["exit code 137"], "POST", "/containers/{id}/kill")

    def test_2_stopped(self):
        self.break_and_heal("stopped", ["exit code 0"], "POST", "/containers/{id}/stop?t=1")

    def test_3_removed(self):
        before = self.one()["Id"]
        self.break_and_heal("removed", ["missing", "gone", "removed"], "DELETE", "/containers/{id}?force=true")
        self.assertNotEqual(self.one()["Id"], before)

    def test_4_paused(self):
        """At moments all over the start of a health check, which follows the start of a container and every change of
        its gate: an engine's shim hangs when the command that is being started is frozen."""
        healing = []
        for moment in range(12):
            container = self.one()["Id"]
            self.platform.docker("POST", f"/containers/{container}/restart?t=1")
            time.sleep(0.02 * moment)
            self.platform.docker("POST", f"/containers/{container}/pause")
            since = time.monotonic()
            self.healed(f"paused {20 * moment} ms after a start", ["paused"])
            self.assertEqual(self.one()["State"], "running")
            healing.append(time.monotonic() - since)
        say(f"    healed after {', '.join(f'{each:.1f}' for each in healing)} s")

    def test_5_renamed(self):
        name = self.one()["Names"][0]
        self.break_and_heal("renamed", ["name"], "POST", "/containers/{id}/rename?name=somebody-else")
        eventually(lambda: self.one()["Names"][0] == name, 30, "it has its name again")

    def test_6_limits_changed(self):
        container = self.one()["Id"]
        wanted = self.platform.docker("GET", f"/containers/{container}/json")["HostConfig"]["Memory"]
        self.break_and_heal("limits", ["memory", "limit"], "POST", "/containers/{id}/update",
                            {"Memory": wanted // 2, "MemorySwap": wanted // 2})
        eventually(lambda: self.platform.docker("GET", f"/containers/{self.one()['Id']}/json")["HostConfig"]["Memory"]
                   == wanted, 30, "it has its limit again")

    def test_7_network_disconnected(self):
        networks = self.platform.docker("GET", f"/containers/{self.one()['Id']}/json")["NetworkSettings"]["Networks"]
        network = next(iter(networks))
        self.break_and_heal("disconnected", ["network"], "POST", f"/networks/{network}/disconnect",
                            {"Container": self.one()["Id"], "Force": True})

    def test_8_restart_policy_changed(self):
        self.break_and_heal("restart policy", ["restart"], "POST", "/containers/{id}/update",
                            {"RestartPolicy": {"Name": "no"}})
        eventually(lambda: self.platform.docker("GET", f"/containers/{self.one()['Id']}/json")["HostConfig"]
                   ["RestartPolicy"]["Name"] == "unless-stopped", 30, "it restarts by itself again")

    def test_9_a_foreign_container_is_left_alone(self):
        image = self.one()["ImageID"]
        made = self.platform.docker("POST", "/containers/create?name=foreign", {
            "Image": image, "HostConfig": {"NetworkMode": "none"},
            "Labels": {"cloud.helvetia.service": "heal", "cloud.helvetia.installation": "somebodyelse"}})
        self.platform.docker("POST", f"/containers/{made['Id']}/start")
        try:
            self.platform.patch("heal", {"replicas": 2})
            self.platform.wait_ready("heal")
            self.platform.patch("heal", {"replicas": 1})
            self.platform.wait_ready("heal")
            state = self.platform.docker("GET", f"/containers/{made['Id']}/json")
            self.assertTrue(state["State"]["Running"])
            self.assertEqual(state["Name"], "/foreign")
        finally:
            self.platform.docker("DELETE", f"/containers/{made['Id']}?force=true")

    def test_91_network_removed(self):
        network = next(iter(self.platform.docker("GET", f"/containers/{self.one()['Id']}/json")
                            ["NetworkSettings"]["Networks"]))
        before = self.platform.docker("GET", f"/networks/{network}")["Id"]

        def removed():
            """The controller connects it again at once: whoever is quicker."""
            self.platform.docker("POST", f"/networks/{network}/disconnect",
                                 {"Container": self.one()["Id"], "Force": True})
            self.platform.docker("DELETE", f"/networks/{before}")
            return True

        eventually(removed, 30, "the network is removed")
        self.healed("network removed", ["network"])
        self.assertNotEqual(self.platform.docker("GET", f"/networks/{network}")["Id"], before)

    def test_92_volume_removed_with_its_container(self):
        tag = self.platform.image("keeper:1", "one")
        self.platform.apply(service("keeper", tag, volumes=[{"name": "data", "path": "/data"}]))
        self.platform.wait_ready("keeper")
        container = self.platform.containers("keeper")[0]
        volume = next(mount["Name"] for mount in self.platform.docker("GET", f"/containers/{container['Id']}/json")
                      ["Mounts"] if mount["Destination"] == "/data")

        def removed():
            for each in self.platform.containers("keeper"):
                self.platform.docker("DELETE", f"/containers/{each['Id']}?force=true")
            self.platform.docker("DELETE", f"/volumes/{volume}")
            return True

        eventually(removed, 30, "container and volume are removed")
        eventually(lambda: self.platform.ready("keeper") and self.platform.version("keeper") == "one", 60,
                   "it serves again")
        self.assertEqual(self.platform.docker("GET", f"/volumes/{volume}")["Name"], volume)


if __name__ == "__main__":
    main()
