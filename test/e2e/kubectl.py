"""Unmodified kubectl: which ones there are, and running one with a cache, a home and a namespace of its own.

Used are those named in HELVETIA_KUBECTL (paths between colons); else, of 1.29 and newer, `kubectl` on PATH, files
`kubectl.*` beside what it links to, and the newest one, which tools/kubectl builds once and keeps in the cache.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time

from harness import TOP, eventually, say

OLDEST_MINOR = 29


def version_of(path):
    """(minor, "1.29.15") of a kubectl, or None of what isn't one."""
    try:
        done = subprocess.run([path, "version", "--client", "-o", "json"], capture_output=True, text=True, timeout=60,
                              check=False)
        found = json.loads(done.stdout)["clientVersion"]["gitVersion"]
    except (OSError, ValueError, KeyError):
        return None
    match = re.match(r"v1\.(\d+)\.(\d+)", found)
    return (int(match[1]), f"1.{match[1]}.{match[2]}") if match else None


def built():
    """The pinned one, built when it isn't there yet (minutes)."""
    with open(os.path.join(TOP, "tools/kubectl/go.mod"), encoding="utf-8") as file:
        version = re.search(r"k8s\.io/kubectl v0\.(\S+)", file.read())[1]
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "helvetia")
    path = os.path.join(cache, f"kubectl-1.{version}")
    if not os.path.exists(path):
        say("building kubectl, once")
        subprocess.run([os.path.join(TOP, "tools/kubectl/build"), path], check=True, stdin=subprocess.DEVNULL)
    return path


def available():
    """Paths by minor, oldest first; the first of each minor that is found."""
    candidates = [each for each in os.environ.get("HELVETIA_KUBECTL", "").split(":") if each]
    on_path = shutil.which("kubectl")
    if not candidates:
        candidates = [built()]
        if on_path:
            beside = os.path.join(os.path.dirname(os.path.realpath(on_path)), "kubectl.*")
            candidates += sorted(glob.glob(beside)) + [on_path]
    found = {}
    for path in candidates:
        version = version_of(path)
        if version and version[0] >= OLDEST_MINOR:
            found.setdefault(version[0], (version[1], path))
    return [found[minor] for minor in sorted(found)]


class Running:
    """A kubectl in the background; its lines as they come."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        stdin=subprocess.DEVNULL, env=environment)
        self.lines = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def until(self, pattern, seconds=30):
        return eventually(lambda: [each for each in self.lines if re.search(pattern, each)], seconds,
                          f"a line like {pattern}; there are {self.lines}")

    def wait(self, seconds):
        """Its exit code; it is ended when it does not end."""
        try:
            return self.process.wait(seconds)
        finally:
            self.end()

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        self.thread.join(30)
        self.process.stdout.close()


class Kubectl:
    """One kubectl as the administrator, in one namespace."""

    def __init__(self, path, platform, namespace):
        self.path = path
        self.platform = platform
        self.namespace = namespace
        self.folder = tempfile.mkdtemp(prefix="kubectl-", dir=platform.state)
        self.config = self.kubeconfig("admin", platform.token, platform.endpoints["api"])
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.folder}

    def kubeconfig(self, name, token, server):
        path = os.path.join(self.folder, name)
        cluster = {"server": server}
        if server.startswith("https"):
            cluster["certificate-authority"] = self.platform.endpoints["caFile"]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "c",
                       "clusters": [{"name": "c", "cluster": cluster}],
                       "users": [{"name": "u", "user": {"token": token}}],
                       "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u",
                                                             "namespace": self.namespace}}]}, file)
        return path

    def file(self, name, *objects):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(json.dumps(each) for each in objects))
        return path

    def command(self, words, config):
        return [self.path, "--kubeconfig", config or self.config, "--cache-dir", os.path.join(self.folder, "cache"),
                *words]

    def run(self, *words, stdin=None, config=None, seconds=60, **environment):
        """(exit code, both outputs)."""
        done = subprocess.run(self.command(words, config), input=stdin, capture_output=True, text=True, check=False,
                              timeout=seconds, env={**self.environment, **environment})
        return done.returncode, done.stdout + done.stderr

    def start(self, *words):
        return Running(self.command(words, None), self.environment)

    def says(self, pattern, *words, code=0, **options):
        """The output, which must match, with this exit code."""
        found, text = self.run(*words, **options)
        assert found == code, f"kubectl {' '.join(words)}: exit code {found}, not {code}: {text}"
        assert re.search(pattern, text, re.M), f"kubectl {' '.join(words)}: no {pattern!r} in {text!r}"
        return text

    def get(self, *words):
        """The object or list as JSON."""
        return json.loads(self.says("", "get", *words, "-o", "json"))

    def version(self, name):
        return self.get("service", name)["metadata"]["resourceVersion"]

    def timed(self, *words, **options):
        begin = time.monotonic()
        return self.run(*words, **options), time.monotonic() - begin
