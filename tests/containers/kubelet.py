# SPDX-License-Identifier: Apache-2.0
"""What the kubelet does with the pods of container/kubernetes, with podman: volumes as it lays them out, users, probes, native sidecars. It knows the keys that those files use; any other is an error.

    with Pod("job.yaml", secrets={"sftokend": {"crm.key": "..."}}, edit=...) as pod:
        pod.start()                   native sidecars, each until its startup probe succeeds, then the others
        pod.wait("job")               its exit status
        pod.end()                     TERM to what still runs: exit statuses by name
"""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import yaml
from box import IMAGE, JOB, TOP, command, logs, place, podman
from tap import wait_for

Json = dict[str, Any]
FOLDER = TOP / "container/kubernetes"
IMAGES = {"sftokend:latest": IMAGE, "example/etl:latest": JOB, "example/service:latest": JOB}
PATIENCE_S = 60.0


def documents(file: str) -> list[Json]:
    return list(yaml.safe_load_all((FOLDER / file).read_text()))


def pod_spec(docs: list[Json]) -> Json:
    """Of the one Job, CronJob or Deployment among them."""
    for doc in docs:
        spec = doc.get("spec", {})
        if doc["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if "template" in spec:
            return dict(spec["template"]["spec"])
    raise AssertionError("no pod in it")


def take(given: Json, *known: str) -> Iterator[Any]:
    """The values of these keys (None: not there); any other key is a mistake in the file, or unknown here."""
    unknown = set(given) - set(known)
    assert not unknown, f"unknown keys: {sorted(unknown)}"
    return (given.get(k) for k in known)


# --- volumes ---

class Volume:
    """One volume on the node. ConfigMaps and Secrets: files in a directory named by the time, ..data a link to it, every name a link through ..data; a change swaps ..data."""

    def __init__(self, folder: Path, spec: Json, group: int, maps: dict[str, Json], secrets: dict[str, Json]) -> None:
        self.path = folder / spec["name"]
        self.group = group
        self.path.mkdir()
        self.items: list[Json] = []
        self.mode = 0o644
        self.times = 0
        kind = next(k for k in spec if k != "name")
        source = spec[kind]
        if kind == "emptyDir":
            medium, size = take(source, "medium", "sizeLimit")
            assert medium == "Memory" and size.endswith("Mi")
            command("mount", "-t", "tmpfs", "-o", f"size={size[:-2]}m,mode=777", "tmpfs", str(self.path))
            os.chown(self.path, 0, group)
            self.path.chmod(0o2777)
        elif kind == "persistentVolumeClaim":
            list(take(source, "claimName"))
            os.chown(self.path, 0, group)
            self.path.chmod(0o2775)
        else:
            name, items, mode = take(source, "name" if kind == "configMap" else "secretName", "items", "defaultMode")
            self.items, self.mode = items or [], mode or 0o644
            command("mount", "-t", "tmpfs", "-o", "mode=777", "tmpfs", str(self.path))
            os.chown(self.path, 0, group)
            self.path.chmod(0o3777)
            self.fill((maps if kind == "configMap" else secrets)[name])

    def fill(self, data: Json) -> None:
        """The first content, or a new one, as the kubelet's AtomicWriter does it."""
        files = {i["path"]: data[i["key"]] for i in self.items} if self.items else dict(data)
        self.times += 1
        old = os.readlink(self.path / "..data") if self.times > 1 else None
        new = self.path / f"..2026_11_28_12_00_{self.times:02}.{os.getpid()}"
        for path, text in files.items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_text(text)
            (new / path).chmod(self.mode | 0o440)  # fsGroup gives the group as much as the owner
            os.chown(new / path, 0, self.group)
        for folder in [new, *(p for p in new.rglob("*") if p.is_dir())]:
            os.chown(folder, 0, self.group)
            folder.chmod(0o2755)
        (self.path / "..data_tmp").symlink_to(new.name)
        os.rename(self.path / "..data_tmp", self.path / "..data")
        for name in {Path(p).parts[0] for p in files}:
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(f"..data/{name}")
        if old:
            shutil.rmtree(self.path / old)


# --- pods ---

class Pod:
    """edit: changes the pod's spec before it is used. maps: ConfigMaps by name, by default those of configuration.yaml."""

    count = 0

    def __init__(self, file: str, *, maps: dict[str, Json], secrets: dict[str, Json], edit: Optional[Callable[[Json], None]] = None) -> None:
        Pod.count += 1
        self.name = f"pod{Pod.count}"
        self.spec = copy.deepcopy(pod_spec(documents(file)))
        if edit:
            edit(self.spec)
        restart, token, context, init, containers, volumes = take(self.spec, "restartPolicy", "automountServiceAccountToken", "securityContext", "initContainers", "containers", "volumes")
        assert token is False and restart in (None, "Never")
        (self.group,) = take(context, "fsGroup")
        self.sidecars: list[Json] = init or []
        self.containers: list[Json] = containers
        folder = place() / self.name
        folder.mkdir()
        self.volumes = {v["name"]: Volume(folder, v, self.group, maps, secrets) for v in volumes}
        podman("pod", "create", "--name", self.name, "--network", "host")

    def __enter__(self) -> Pod:
        return self

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        if kind is not None:
            for container in [*self.sidecars, *self.containers]:
                print(f"# log of {container['name']}:")
                print("".join(f"# | {line}\n" for line in logs(self.full(container["name"])).splitlines()[-40:]), end="")
        podman("pod", "rm", "--force", "--time", "0", self.name)
        for volume in self.volumes.values():
            subprocess.run(["umount", "-l", str(volume.path)], capture_output=True, check=False)

    def full(self, name: str) -> str:
        return f"{self.name}-{name}"

    def words(self, container: Json) -> list[str]:
        """podman's words for one container, from its image on."""
        name, image, _, context, _, _, _, mounts, env, args, cmd = take(container, "name", "image", "restartPolicy", "securityContext", "startupProbe", "livenessProbe", "resources", "volumeMounts",
                                                                        "env", "args", "command")
        user, gid, non_root, read_only, escalation, capabilities, seccomp = take(context, "runAsUser", "runAsGroup", "runAsNonRoot", "readOnlyRootFilesystem", "allowPrivilegeEscalation",
                                                                                  "capabilities", "seccompProfile")
        assert escalation is False and capabilities == {"drop": ["ALL"]} and seccomp in (None, {"type": "RuntimeDefault"}) and (not non_root or user != 0)
        words = ["--pod", self.name, "--name", self.full(name), "--user", f"{user}:{gid}", "--group-add", str(self.group), "--cap-drop", "all", "--security-opt", "no-new-privileges"]
        if read_only:
            words += ["--read-only", "--read-only-tmpfs=false"]
        for mount in sorted(mounts, key=lambda m: str(m["mountPath"])):
            volume, where, ro = take(mount, "name", "mountPath", "readOnly")
            words += ["--volume", f"{self.volumes[volume].path}:{where}:{'ro' if ro else 'rw'}"]
        for pair in env or []:
            words += ["--env", f"{pair['name']}={pair['value']}"]
        if cmd:
            words += ["--entrypoint", "[]"]
        return [*words, IMAGES[image], *(cmd or []), *(args or [])]

    def run(self, container: Json) -> None:
        podman("run", "--detach", *self.words(container))

    def probe(self, container: Json, which: str) -> bool:
        probe = container[which]
        (words,) = take(probe["exec"], "command")
        return podman("exec", self.full(container["name"]), *words, check=None, timeout=probe["timeoutSeconds"] + 60).returncode == 0

    def start(self) -> None:
        for sidecar in self.sidecars:
            assert sidecar["restartPolicy"] == "Always", "an ordinary init container would have to end first"
            self.run(sidecar)
            for attempt in range(sidecar["startupProbe"]["failureThreshold"]):
                if self.probe(sidecar, "startupProbe"):
                    break
                assert self.running(sidecar["name"]), "it ended"
                time.sleep(0.2 if attempt else 0)
            else:
                raise AssertionError("the startup probe fails")
        for container in self.containers:
            self.run(container)

    def running(self, name: str) -> bool:
        return podman("inspect", "--format", "{{.State.Running}}", self.full(name)).stdout.strip() == "true"

    def wait(self, name: str) -> int:
        return int(podman("wait", self.full(name), timeout=PATIENCE_S).stdout)

    def end(self) -> dict[str, int]:
        """The Job's containers have ended; then the sidecars get TERM, and KILL after the grace period."""
        found = {c["name"]: self.wait(c["name"]) for c in self.containers}
        for sidecar in self.sidecars:
            podman("stop", "--time", "30", self.full(sidecar["name"]))
            found[sidecar["name"]] = self.wait(sidecar["name"])
        return found

    def exec(self, name: str, *words: str, check: Optional[int] = 0) -> subprocess.CompletedProcess[str]:
        """kubectl exec."""
        return podman("exec", self.full(name), *words, check=check)

    def other(self, name: str, uid: int, *words: str) -> subprocess.CompletedProcess[str]:
        """One more container like the job's, under another uid, to its end."""
        container = copy.deepcopy(self.containers[-1])
        container.update(name=name, command=list(words))
        container["securityContext"].update(runAsUser=uid, runAsGroup=uid, runAsNonRoot=False)
        return podman("run", "--rm", *self.words(container), check=None)

    def wait_event(self, name: str, event: str) -> None:
        wait_for(lambda: event in logs(self.full(name)), f"{event} in the log of {name}")
