#!/usr/bin/env python3
"""Unmodified kubectl as the client: the numbered commands of kubectl_checks.py, with several versions.

Without HELVETIA_KUBECTL_ALL the oldest and the newest one run. HELVETIA_CONFORMANCE=FILE writes the table of results
(docs/conformance.md).
"""
import os
import subprocess

from harness import TOP, Scenario, eventually, main, say
from kubectl import Kubectl, available
from kubectl_checks import CHECKS

HEAD = """# Conformance with kubectl

Written by `HELVETIA_KUBECTL_ALL=1 HELVETIA_CONFORMANCE=docs/conformance.md test/e2e/e2e_kubectl.py`: each row is a command
of an unmodified kubectl against a real platform, with a cache and a namespace of its own (`test/e2e/kubectl_checks.py`).
`–`: that kubectl does not have the command. What is not served: `exec`, `attach`, `cp`, `port-forward`, `rollout`, `set`,
`expose`, `autoscale`, `run`, `debug`, `top`, and watching Pods.

"""


class UnmodifiedKubectl(Scenario):
    def setUp(self):
        self.platform.image("conformance:1", "first")
        self.platform.image("conformance:2", "second")

    def prepare(self, version, path):
        namespace = "k" + version.replace(".", "-")
        k = Kubectl(path, self.platform, namespace)
        k.images = ["conformance:1", "conformance:2"]
        k.says("created", "create", "namespace", namespace)
        k.viewer = k.kubeconfig("viewer", self.viewer(namespace), self.platform.endpoints["api"])
        k.compact = self.compact
        return k

    def viewer(self, namespace):
        """A token that may read this namespace."""
        status, answer = self.platform.api(
            "POST", f"/apis/helvetia.cloud/v1/namespaces/{namespace}/tokens",
            {"apiVersion": "helvetia.cloud/v1", "kind": "Token", "metadata": {"name": "viewer"},
             "spec": {"role": "viewer"}})
        assert status == 201, f"token: {status} {answer}"
        return answer["status"]["token"]

    def compact(self):
        """As the controller does it when the log has grown too long."""
        subprocess.run(["psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--command",
                        "UPDATE resource_clock SET oldest = (SELECT max(resource_version) - 1 FROM change_log);"
                        "DELETE FROM change_log WHERE resource_version <= (SELECT oldest FROM resource_clock)",
                        self.platform.endpoints["databaseUrl"]], check=True, stdin=subprocess.DEVNULL, timeout=30)

    def run_all(self, version, path):
        k = self.prepare(version, path)
        results = {}
        for number, title, since, function in CHECKS:
            if int(version.split(".")[1]) < since:
                results[number] = "–"
                continue
            with self.subTest(kubectl=version, number=number, title=title):
                results[number] = "fails"
                try:
                    function(k)
                except BaseException as error:
                    say(f"  {number} {title}: {error!r:.600}")
                    raise
                results[number] = "✔"
        k.says("deleted", "delete", "namespace", k.namespace, seconds=180)
        return results

    def test_every_command(self):
        clients = available()
        self.assertTrue(clients)
        if not os.environ.get("HELVETIA_KUBECTL_ALL"):
            clients = [clients[0], clients[-1]] if len(clients) > 1 else clients
        tables = {}
        for version, path in clients:
            say(f"kubectl {version}")
            tables[version] = self.run_all(version, path)
        if os.environ.get("HELVETIA_CONFORMANCE"):
            self.write_table(os.environ["HELVETIA_CONFORMANCE"], tables)

    def write_table(self, path, tables):
        lines = ["| | command | " + " | ".join(tables) + " |", "|---|---|" + "---|" * len(tables)]
        for number, title, _, _ in sorted(CHECKS, key=lambda each: each[0]):
            lines.append(f"| {number} | {title} | " + " | ".join(table[number] for table in tables.values()) + " |")
        with open(path, "w", encoding="utf-8") as file:
            file.write(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
