"""Bodies of GitHub's deliveries in their full published shape (docs.github.com, "Webhook events and payloads"), with
values that belong to nobody."""

ZERO = "0" * 40
TIME = "2026-01-02T03:04:05+00:00"


def account(login, number, kind="User"):
    site, api = f"https://git.example.org/{login}", f"https://api.git.example.org/users/{login}"
    return {"login": login, "id": number, "node_id": f"MDQ6{number}", "avatar_url": f"https://avatars.example.org/u/{number}",
            "gravatar_id": "", "url": api, "html_url": site, "followers_url": f"{api}/followers",
            "following_url": f"{api}/following{{/other_user}}", "gists_url": f"{api}/gists{{/gist_id}}",
            "starred_url": f"{api}/starred{{/owner}}{{/repo}}", "subscriptions_url": f"{api}/subscriptions",
            "organizations_url": f"{api}/orgs", "repos_url": f"{api}/repos", "events_url": f"{api}/events{{/privacy}}",
            "received_events_url": f"{api}/received_events", "type": kind, "user_view_type": "public", "site_admin": False}


LINKS = {"forks_url": "forks", "keys_url": "keys{/key_id}", "collaborators_url": "collaborators{/collaborator}",
         "teams_url": "teams", "hooks_url": "hooks", "issue_events_url": "issues/events{/number}", "events_url": "events",
         "assignees_url": "assignees{/user}", "branches_url": "branches{/branch}", "tags_url": "tags",
         "blobs_url": "git/blobs{/sha}", "git_tags_url": "git/tags{/sha}", "git_refs_url": "git/refs{/sha}",
         "trees_url": "git/trees{/sha}", "statuses_url": "statuses/{sha}", "languages_url": "languages",
         "stargazers_url": "stargazers", "contributors_url": "contributors", "subscribers_url": "subscribers",
         "subscription_url": "subscription", "commits_url": "commits{/sha}", "git_commits_url": "git/commits{/sha}",
         "comments_url": "comments{/number}", "issue_comment_url": "issues/comments{/number}",
         "contents_url": "contents/{+path}", "compare_url": "compare/{base}...{head}", "merges_url": "merges",
         "archive_url": "{archive_format}{/ref}", "downloads_url": "downloads", "issues_url": "issues{/number}",
         "pulls_url": "pulls{/number}", "milestones_url": "milestones{/number}",
         "notifications_url": "notifications{?since,all,participating}", "labels_url": "labels{/name}",
         "releases_url": "releases{/id}", "deployments_url": "deployments"}


def repository(clone_url, branch="main"):
    """The repository of a payload: its addresses are those of a real one."""
    html, name = clone_url.removesuffix(".git"), clone_url.rsplit("/", 1)[-1].removesuffix(".git")
    api = f"https://api.git.example.org/repos/acme/{name}"
    return {"id": 35129377, "node_id": "MDEwOlJlcG9zaXRvcnkzNTEyOTM3Nw==", "name": name, "full_name": f"acme/{name}",
            "private": False,
            "owner": {"name": "acme", "email": "acme@example.org", **account("acme", 6752317, "Organization")},
            "html_url": html, "description": "a test — with an „umlaut“: ü, and \U0001f680", "fork": False, "url": html,
            **{key: f"{api}/{path}" for key, path in LINKS.items()},
            "created_at": 1430869212, "updated_at": "2026-01-01T00:00:00Z", "pushed_at": 1767323045,
            "git_url": clone_url.replace("http://", "git://"), "ssh_url": f"git@git.example.org:acme/{name}.git",
            "clone_url": clone_url, "svn_url": html, "homepage": None, "size": 1, "stargazers_count": 0,
            "watchers_count": 0, "language": "C", "has_issues": True, "has_projects": True, "has_downloads": True,
            "has_wiki": True, "has_pages": False, "has_discussions": False, "forks_count": 0, "mirror_url": None,
            "archived": False, "disabled": False, "open_issues_count": 2, "license": None, "allow_forking": True,
            "is_template": False, "web_commit_signoff_required": False, "topics": ["test"], "visibility": "public",
            "forks": 0, "open_issues": 2, "watchers": 0, "default_branch": branch, "stargazers": 0,
            "master_branch": branch, "organization": "acme", "custom_properties": {}}


def commit(sha, clone_url, message="change"):
    person = {"name": "A. Person", "email": "person@example.org", "username": "person", "date": TIME}
    return {"id": sha, "tree_id": "f9d2a07e9488b91af2641b26b9407fe22a451433", "distinct": True, "message": message,
            "timestamp": TIME, "url": f"{clone_url.removesuffix('.git')}/commit/{sha}", "author": person,
            "committer": person, "added": ["new.txt"], "removed": [], "modified": ["Dockerfile"]}


def push(clone_url, before, after, ref="refs/heads/main", forced=False, base_ref=None, message="change"):
    """Of a branch or a tag: new (before is zeros), deleted (after is zeros), forced, or an ordinary one."""
    html = clone_url.removesuffix(".git")
    deleted, created = after == ZERO, before == ZERO
    head = None if deleted else commit(after, clone_url, message)
    return {"ref": ref, "before": before, "after": after, "repository": repository(clone_url),
            "pusher": {"name": "person", "email": "person@example.org"}, "organization": {
                "login": "acme", "id": 6752317, "node_id": "MDEyOk9yZ2FuaXphdGlvbjY3NTIzMTc=",
                "url": "https://api.git.example.org/orgs/acme", "repos_url": "https://api.git.example.org/orgs/acme/repos",
                "events_url": "https://api.git.example.org/orgs/acme/events",
                "hooks_url": "https://api.git.example.org/orgs/acme/hooks",
                "issues_url": "https://api.git.example.org/orgs/acme/issues",
                "members_url": "https://api.git.example.org/orgs/acme/members{/member}",
                "public_members_url": "https://api.git.example.org/orgs/acme/public_members{/member}",
                "avatar_url": "https://avatars.example.org/u/6752317", "description": ""},
            "enterprise": {"id": 1, "slug": "acme", "name": "Acme", "node_id": "MDg6QnVzaW5lc3M=", "avatar_url": "",
                           "description": None, "website_url": None, "html_url": "https://git.example.org/enterprises/acme",
                           "created_at": None, "updated_at": None},
            "installation": {"id": 5, "node_id": "MDIzOkludGVncmF0aW9u"}, "sender": account("person", 21031067),
            "created": created, "deleted": deleted, "forced": forced, "base_ref": base_ref,
            "compare": f"{html}/commit/{after[:12]}" if created else f"{html}/compare/{before[:12]}...{after[:12]}",
            "commits": [head] if head and not ref.startswith("refs/tags/") else [], "head_commit": head}


def ping(clone_url):
    return {"zen": "Design for failure.", "hook_id": 109948940, "hook": {
        "type": "Repository", "id": 109948940, "name": "web", "active": True, "events": ["push"],
        "config": {"content_type": "json", "insecure_ssl": "0", "secret": "********",
                   "url": "https://api.example.org/webhooks/github"},
        "updated_at": "2026-01-02T03:04:05Z", "created_at": "2026-01-02T03:04:05Z",
        "url": "https://api.git.example.org/repos/acme/app/hooks/109948940",
        "test_url": "https://api.git.example.org/repos/acme/app/hooks/109948940/test",
        "ping_url": "https://api.git.example.org/repos/acme/app/hooks/109948940/pings",
        "deliveries_url": "https://api.git.example.org/repos/acme/app/hooks/109948940/deliveries",
        "last_response": {"code": None, "status": "unused", "message": None}},
        "repository": repository(clone_url), "sender": account("person", 21031067)}
