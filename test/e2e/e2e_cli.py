#!/usr/bin/env python3
"""The command line as a person and a script use it: outcome, exit code, and what it prints."""
import json
import os
import tempfile

from harness import TOP, Scenario, eventually, main, service


class CommandLine(Scenario):
    def manifest(self, *objects):
        file = tempfile.NamedTemporaryFile("w", suffix=".json", dir=self.platform.state, delete=False)
        with file:
            file.write("\n".join(json.dumps(each) for each in objects))
        return file.name

    def test_1_apply_waits_until_it_serves(self):
        tag = self.platform.image("cli:1", "one")
        path = self.manifest(service("cli", tag, strategy={"drainSeconds": 1}))
        _, out, err = self.platform.command("apply", "-f", path, "--dry-run")
        self.assertIn("dry run", out)
        self.assertIsNone(self.platform.service("cli"), "a dry run stores nothing")
        _, out, err = self.platform.command("apply", "-f", path, "--wait")
        self.assertIn("Service/cli created", out)
        self.assertIn("https://cli.", err)
        self.assertEqual(self.platform.version("cli"), "one")
        _, out, _ = self.platform.command("apply", "-f", path)
        self.assertIn("Service/cli unchanged", out)

    def test_2_plan_says_what_would_happen(self):
        path = self.manifest(service("cli", self.platform.image("cli:2", "two")))
        _, out, _ = self.platform.command("plan", "-f", path)
        self.assertIn("spec.image", out)
        self.assertIn("create deployment cli-r2", out)
        self.assertEqual(self.platform.version("cli"), "one")
        self.platform.command("plan", "cli")

    def test_2_a_set_and_its_differences(self):
        one, two = (service(name, self.platform.image("cli:1", "one"), expose="none") for name in ("set-one", "set-two"))
        code, out, _ = self.platform.command("diff", "-f", self.manifest(one), check=False)
        self.assertEqual(code, 1, "there is a difference")
        self.assertIn("Service/set-one created", out)
        self.platform.command("apply", "-f", self.manifest(one, two), "--set", "pair", "--wait")
        code, out, _ = self.platform.command("diff", "-f", self.manifest(one, two), "--set", "pair", check=False)
        self.assertEqual((code, out), (0, ""))
        code, out, _ = self.platform.command("diff", "-f", self.manifest(one), "--set", "pair", "--prune", check=False)
        self.assertEqual(code, 1)
        self.assertIn("Service/set-two pruned (remove) (dry run)", out)
        code, _, err = self.platform.command("apply", "-f", self.manifest(one), "--prune", check=False)
        self.assertEqual(code, 8, err)
        self.platform.command("apply", "-f", self.manifest(one), "--set", "pair", "--prune", "--wait")
        self.assertIsNone(self.platform.service("set-two"), "--wait waits for what goes, too")
        self.assertIsNotNone(self.platform.ready("set-one"))
        self.platform.command("delete", "set-one", "--wait")

    def test_3_reading(self):
        _, out, _ = self.platform.command("get", "services")
        self.assertRegex(out, r"NAME +URL +STATUS +READY")
        self.assertRegex(out, r"cli +https://cli\.\S+ +ACTIVE +1/1")
        _, out, _ = self.platform.command("get", "service", "cli", "-o", "json")
        self.assertEqual(json.loads(out)["spec"]["image"], "cli:1")
        _, out, _ = self.platform.command("get", "service", "cli", "-o", "yaml")
        self.assertIn("kind: Service", out)
        _, out, _ = self.platform.command("describe", "cli")
        self.assertIn("cli-r1", out)
        _, out, _ = self.platform.command("get", "deployments")
        self.assertRegex(out, r"cli-r1 +cli +SUCCESS")
        self.platform.command("status")
        self.platform.command("events", "cli")

    def test_4_logs(self):
        eventually(lambda: self.platform.command("logs", "cli")[1].strip(), 20, "the log has a line")
        _, out, _ = self.platform.command("logs", "cli", "--tail", "1")
        self.assertEqual(len(out.strip().splitlines()), 1)

    def test_5_scale_suspend_resume(self):
        self.platform.command("scale", "cli", "2", "--wait")
        self.assertEqual(self.platform.service("cli")["status"]["readyReplicas"], 2)
        self.platform.command("suspend", "cli", "--wait")
        self.assertEqual(self.platform.service("cli")["status"]["phase"], "IDLE")
        self.platform.command("resume", "cli", "--wait")
        self.assertEqual(self.platform.version("cli"), "one")

    def test_6_what_fails_says_so_with_its_code(self):
        for code, words in ((2, ("frobnicate",)), (2, ("get",)), (2, ("get", "gadgets")), (3, ("get", "service", "nope")),
                            (3, ("scale", "nope", "1")), (8, ("scale", "cli", "999")), (8, ("apply", "-f", "/nowhere")),
                            (3, ("logs", "nope"))):
            found, out, err = self.platform.command(*words, check=False)
            self.assertEqual(found, code, f"{words}: {out}{err}")
            self.assertTrue(err.strip(), f"{words} says why")

    def test_7_a_failed_rollout_has_its_own_code(self):
        path = self.manifest(service("cli", self.platform.image("cli:bad", "bad", HELLO_MODE="exit")))
        code, _, err = self.platform.command("apply", "-f", path, "--wait", check=False)
        self.assertEqual(code, 7, err)

    def test_8_delete_waits_until_it_is_gone(self):
        self.platform.command("delete", "cli", "--wait")
        self.assertIsNone(self.platform.service("cli"))
        self.assertEqual(self.platform.containers("cli"), [])

    def test_9_every_example_manifest_is_taken(self):
        _, out, _ = self.platform.command("apply", "-f", os.path.join(TOP, "manifests"), "--dry-run")
        self.assertIn("Service/hello created", out)

    def test_9_every_manifest_in_the_documents_is_taken(self):
        for name in ("README.md", "docs/guide.md"):
            with open(os.path.join(TOP, name), encoding="utf-8") as file:
                blocks = [each.split("```")[0] for each in file.read().split("```yaml\n")[1:]]
            self.assertTrue(blocks, f"{name} shows a manifest")
            for number, block in enumerate(blocks):
                path = os.path.join(self.platform.state, f"{os.path.basename(name)}-{number}.yaml")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(block)
                _, out, _ = self.platform.command("apply", "-f", path, "--dry-run")
                self.assertIn("created", out, f"{name}, block {number + 1}")

    def test_9_without_a_platform_it_says_how_to_start_one(self):
        with tempfile.TemporaryDirectory() as folder:
            state = self.platform.state
            self.platform.state = folder
            try:
                code, _, err = self.platform.command("status", check=False)
            finally:
                self.platform.state = state
        self.assertEqual(code, 3)
        self.assertIn("./up", err)
        self.assertTrue(os.path.isdir(state))


if __name__ == "__main__":
    main()
