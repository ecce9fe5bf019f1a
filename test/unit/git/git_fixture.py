"""Repositories for git_server_test behind a real `git http-backend`. Prints facts, one "NAME VALUE" a line, then "ready";
after that it takes the switches of git_server.py on stdin, and "commit REPOSITORY PATH TEXT".
Usage: git_fixture.py FOLDER-OF-git_server.py ROOT
"""
import os
import random
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import git_server  # noqa: E402  (its folder is known only now)

LONG = "long/" + "/".join(["a-folder-with-a-long-name"] * 6) + "/and-a-file-with-a-very-long-name-" + "x" * 90 + ".txt"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "4" * 64 + "\nsize 12345\n"


def make(server, facts):
    noise = random.Random(7)
    server.repository("shop")
    facts["first"] = server.commit("shop", {
        "README.md": "shop\n" * 400, "app/server.js": "listen(8080)\n", "app/deep/er/x.txt": "x\n", "empty": "",
        ("run.sh", "100755"): "#!/bin/sh\n", ("link", "120000"): "app/server.js", "Größe ü.txt": "ü\n",
        ("bad-link", "120000"): "../../etc/passwd", ("loop", "120000"): "loop", ("app-link", "120000"): "app/deep",
        LONG: "long\n", "noise.bin": noise.randbytes(300000), "app-x/y": "y\n", "app.txt": "between\n"})
    facts["second"] = server.commit("shop", {"README.md": "shop\n" * 399 + "shop, changed\n"})
    facts["next"] = server.commit("shop", {"only-next.txt": "1\n"}, branch="next")
    facts["archive"] = os.path.join(server.root, "second.tar")
    subprocess.run(["git", "-C", server.folder("shop"), "archive", "-o", facts["archive"], facts["second"]], check=True)
    server.repository("empty")
    server.repository("lfs")
    facts["lfs"] = server.commit("lfs", {"model/weights.bin": LFS, "ok.txt": "ok\n"})
    facts["lfs-ignored"] = server.commit("lfs", {".dockerignore": "model\n"})
    server.repository("submodule")
    facts["submodule"] = server.commit("submodule", {("vendor/lib", "160000"): facts["first"], "a": "a\n"})
    server.repository("huge")
    facts["huge"] = server.commit("huge", {"big.bin": noise.randbytes(3 * 1024 * 1024)})
    server.repository("ignored")
    facts["ignored"] = server.commit("ignored", {
        ".dockerignore": "# all but\n*\n!src\n!docs/**/keep.md\nsrc/*.log\n", "src/a.c": "a\n", "src/b.log": "b\n",
        "docs/one/keep.md": "1\n", "docs/one/drop.md": "2\n", "other.txt": "3\n", "Dockerfile": "FROM scratch\n",
        "ship/Dockerfile": "FROM scratch\n", "ship/Dockerfile.dockerignore": "src\n"})
    os.makedirs(server.folder("sha256"))
    git_server.git(server.folder("sha256"), "init", "-q", "--bare", "--object-format=sha256", "--initial-branch=main")


def main():
    with git_server.GitServer(sys.argv[2]) as server:
        facts = {"url": server.url, "long": LONG}
        make(server, facts)
        for name, value in facts.items():
            print(name, value)
        print("ready", flush=True)
        for line in sys.stdin:
            words = line.split()
            if words[0] == "commit":
                print(server.commit(words[1], {words[2]: " ".join(words[3:]) + "\n"}), flush=True)
            else:
                print(server.switch(words), flush=True)


if __name__ == "__main__":
    main()
