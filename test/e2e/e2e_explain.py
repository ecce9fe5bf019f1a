#!/usr/bin/env python3
"""Every failure explains itself in one sentence with its fix: in the Deployment, in the Service's condition, and by
`helvetia explain`."""
from harness import Scenario, condition, eventually, main, service

QUICK = {"drainSeconds": 1, "minReadySeconds": 0, "deadlineSeconds": 8}


class Explain(Scenario):
    def apply(self, name, image, **spec):
        spec.setdefault("strategy", QUICK)
        self.platform.apply(service(name, image, **spec))

    def said(self, name, reason, *words):
        """The Ready condition comes to a reason and a message with all words; `explain` says the same sentence."""
        def ready():
            found = condition(self.platform.service(name), "Ready")
            return found if found["reason"] == reason and all(word in found["message"] for word in words) else None

        message = eventually(ready, 60, f"{name}: Ready says {reason} with {words}; it says "
                                        f"{condition(self.platform.service(name) or {}, 'Ready')}")["message"]
        _, output, _ = self.platform.command("explain", name)
        first = output.splitlines()[0]
        self.assertIn(f"{name} is ", first)
        self.assertIn(" since ", first)
        for word in words:
            self.assertIn(word, first)
        return message, output

    def test_1_loopback_only(self):
        self.apply("loopback", self.platform.image("loopback:1", "1", HELLO_MODE="loopback"))
        self.said("loopback", "Starting", "127.0.0.1:3000 only", "listen on 0.0.0.0", "given up at ")
        self.said("loopback", "NotReady", "127.0.0.1:3000 only", "listen on 0.0.0.0", "within 8 s")

    def test_2_another_port(self):
        self.apply("port", self.platform.image("port:1", "1", HELLO_MODE="otherport"))
        self.said("port", "Starting", "it listens on port 3001", "set spec.internalPort to 3001")
        self.apply("port", self.platform.image("port:1", "1", HELLO_MODE="otherport"), internalPort=4001,
                   env=[{"name": "HELLO_MODE", "value": "never"}])
        self.said("port", "NotReady", "it listens on no port", "(4001)")

    def test_3_exits_at_once(self):
        self.apply("exits", self.platform.image("exits:1", "1", HELLO_MODE="exit"))
        _, output = self.said("exits", "Exited", "code 3", "last lines: helvetia-hello: HELLO_MODE=exit")
        self.assertIn("Last lines of exits-r1", output)
        self.assertTrue(output.rstrip().endswith("helvetia-hello: HELLO_MODE=exit"), output)
        self.apply("once", self.platform.image("once:1", "1"), startCommand="/hello run 10 0")
        self.said("once", "Exited", "code 0", "spec.releaseCommand")

    def test_4_a_variable_is_missing(self):
        tag = self.platform.image("env:1", "1", HELLO_MODE="wantsenv")
        self.apply("env", tag)
        self.said("env", "Exited", "code 1", "HELLO_SECRET: give it in spec.env")
        self.apply("env", tag, env=[{"name": "HELLO_SECRET", "value": "x"}])
        self.platform.wait_ready("env")
        _, output, _ = self.platform.command("explain", "env")
        self.assertRegex(output, r"\Aenv is ready since [0-9a-z]+ \(ACTIVE, ReplicasReady\): [^\n]*\n\Z")

    def test_5_no_such_program_and_another_processor(self):
        self.apply("program", self.platform.image("program:1", "1"), startCommand="/nothing")
        self.said("program", "StartFailed", "/nothing", "there is no such program in the image")
        self.apply("program", self.platform.image("program:2", "1"), startCommand="/.helvetia/gate")
        self.said("program", "StartFailed", "ermission denied", "owner and mode")

    def test_6_health_path(self):
        self.apply("health", self.platform.image("health:1", "1"), healthCheck={"path": "/up"})
        self.said("health", "NotReady", "answered 404", "correct spec.healthCheck.path")

    def test_7_image_missing(self):
        self.apply("image", "127.0.0.1:9/nobody:1")
        self.said("image", "ImagePullBackOff", "127.0.0.1:9")

    def test_8_a_crash_loop(self):
        self.apply("loop", self.platform.image("loop:1", "1"))
        self.platform.wait_ready("loop")
        for _ in range(3):
            eventually(lambda: self.platform.visit("loop", "/crash") and
                       condition(self.platform.service("loop"), "Ready")["status"] == "False", 60, "it crashes")
        message, _ = self.said("loop", "Degraded", "loop-r1-0", "exited with code 1")
        self.assertRegex(message, "started (it|again)")

    def test_9_out_of_memory(self):
        self.apply("memory", self.platform.image("memory:1", "1"), resources={"memory": "16Mi"},
                   startCommand="/hello eat 64")
        self.said("memory", "OutOfMemory", "more than its 16 MiB", "raise spec.resources.memory")


if __name__ == "__main__":
    main()
