"""Artifacts of a run, from inside a job's container: nothing but Python's own library is there.

Source: actions/toolkit, packages/artifact: ``results.api.v1.ArtifactService``; the claim ``scp`` of
the runtime token says whose artifacts these are.
"""

import base64
import fnmatch
import hashlib
import io
import json
import os
import sys
import urllib.request
import zipfile
from pathlib import Path
from typing import Any


def upload(name: str, place: str, *, hidden: bool) -> None:
    """One artifact from a file, or from all that is in a folder."""
    named = Path(place.strip()).absolute()
    root = named if named.is_dir() else named.parent
    every = sorted(path for path in root.rglob("*") if path.is_file()) if root == named else [named]
    paths = [path for path in every if hidden or not path.name.startswith(".")]
    if not paths:
        raise SystemExit(f"there is nothing to upload in {place}")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in paths:
            archive.write(path, path.relative_to(root))
    body = content.getvalue()
    url = call("CreateArtifact", name=name, version=4)["signedUploadUrl"]
    put(f"{url}&comp=block&blockid=MQ%3D%3D", body)
    put(f"{url}&comp=blocklist", b"<BlockList><Latest>MQ==</Latest></BlockList>")
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    made = call("FinalizeArtifact", name=name, size=str(len(body)), hash=digest)
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as file:
        file.write(f"artifact-id={made['artifactId']}\n")


def download(pattern: str, target: str) -> None:
    """Every artifact that matches, each into a folder of its own name."""
    for found in call("ListArtifacts").get("artifacts", []):
        name = found["name"]
        if fnmatch.fnmatchcase(name, pattern):
            url = call("GetSignedArtifactURL", name=name)["signedUrl"]
            with urllib.request.urlopen(url, timeout=60) as answer:
                zipfile.ZipFile(io.BytesIO(answer.read())).extractall(Path(target, name))
            print(f"downloaded {name}")


def call(method: str, **fields: Any) -> dict[str, Any]:
    """Ask the results service."""
    token = os.environ["ACTIONS_RUNTIME_TOKEN"]
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    _, run, job = claims["scp"].split(":")
    request = urllib.request.Request(
        f"{os.environ['ACTIONS_RESULTS_URL'].rstrip('/')}"
        f"/twirp/github.actions.results.api.v1.ArtifactService/{method}",
        data=json.dumps(
            {"workflowRunBackendId": run, "workflowJobRunBackendId": job, **fields}
        ).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        told: dict[str, Any] = json.loads(answer.read())
    return told


def put(url: str, content: bytes) -> None:
    """Send a block."""
    request = urllib.request.Request(url, data=content, method="PUT")
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


if __name__ == "__main__":
    if sys.argv[1] == "upload":
        upload(os.environ["NAME"], os.environ["PATHS"], hidden=os.environ["HIDDEN"] == "true")
    else:
        download(os.environ["PATTERN"], os.environ["TARGET"])
