# SPDX-License-Identifier: Apache-2.0
"""container/kubernetes, run: Job and sidecar in different containers and uids on a shared volume, ConfigMaps and Secrets as the kubelet mounts them. Only names, addresses and the job's command are changed."""

from __future__ import annotations

import copy
import json
import os
import time
from pathlib import Path
from typing import Any, Callable

import box
import yaml

box.enter()

from harness import Standin, main, make_key, same, wait_for  # noqa: E402
from kubelet import FOLDER, Pod, Volume, documents, pod_spec  # noqa: E402

JOB_UID, SIDECAR_UID = 20001, 10001
box.build()


class World:
    """The stand-in, and what configuration.yaml says, with its address and CA."""

    def __init__(self, salesforce: Standin) -> None:
        self.salesforce = salesforce
        salesforce.configure(users={"etl@example.com": {}})
        self.secrets = {"sftokend": {"crm.key": self.new_key()}}
        data = dict(documents("configuration.yaml")[0]["data"])
        data["crm.conf"] = data["crm.conf"].replace("https://example.my.salesforce.com", salesforce.url).replace("3MVG9...", "app")
        data["sftokend.conf"] += "\n[Network]\nCaFile=/etc/sftokend/ca.pem\n"
        data["ca.pem"] = Path(salesforce.ca).read_text()
        self.maps = {"sftokend": data}

    def new_key(self) -> str:
        path = box.place() / "app.key"
        certificate = make_key(path)
        self.salesforce.configure(apps={"app": {"cert_pem": certificate, "approved": ["etl@example.com"]}})
        return path.read_text()

    def pod(self, file: str, command: Optional[list[str]] = None, edit: Callable[[Any], None] = lambda spec: None) -> Pod:
        def change(spec: Any) -> None:
            items = next(v for v in spec["volumes"] if v["name"] == "configuration")["configMap"]["items"]
            items.append({"key": "ca.pem", "path": "ca.pem"})
            if command:
                spec["containers"][-1]["command"] = command
            edit(spec)

        return Pod(file, maps=copy.deepcopy(self.maps), secrets=copy.deepcopy(self.secrets), edit=change)

    def logins(self) -> int:
        return len(self.salesforce.token_requests("app"))


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def test_job() -> None:
    """job.yaml: the job starts when there is a token, gets it through a read-only mount as another uid, and completes; then TERM ends the sidecar with 0"""
    with Standin() as salesforce:
        world = World(salesforce)
        with world.pod("job.yaml", ["sftoken", "get", "crm"]) as pod:
            pod.start()
            same(pod.wait("job"), 0)
            token = box.logs(pod.full("job")).strip()
            assert salesforce.is_live(token), "no token of the stand-in"
            assert pod.running("sftokend"), "the Job has completed while the sidecar runs"
            same(world.logins(), 1)
            pod.exec("sftokend", "sftoken", "status")
            events = box.events(pod.full("sftokend"))  # each line is JSON
            assert any("token.served" in json.dumps(e) and JOB_UID in e.values() and 0 in e.values() for e in events), f"no audit with uid {JOB_UID} and pid 0: {events}"
            assert token not in box.logs(pod.full("sftokend"))
            same(pod.end(), {"job": 0, "sftokend": 0})
        same(salesforce.problems(), [])


def test_wrong_uid() -> None:
    """Another uid in the same pod gets none, nor does root in a container; the Manager socket cannot be seen, the volume not be written"""
    with Standin() as salesforce:
        world = World(salesforce)
        with world.pod("job.yaml", ["sftoken", "get", "crm"]) as pod:
            pod.start()
            for uid in (20002, 0):
                done = pod.other(f"other{uid}", uid, "sftoken", "get", "crm")
                same((done.returncode, done.stdout), (66, ""), f"uid {uid}")
            same(pod.other("owner", SIDECAR_UID, "sftoken", "get", "crm").returncode, 0, "the sidecar's own uid")
            same(pod.other("manager", JOB_UID, "sftoken", "status").returncode, 69)
            tree = pod.other("files", JOB_UID, *sh("ls -R /run/sftoken; echo >/run/sftoken/sftokend/x || echo >/run/sftoken/x || mv /run/sftoken/sftokend /run/sftoken/y"))
            same(tree.stdout.split(), ["/run/sftoken:", "sftokend", "/run/sftoken/sftokend:", "io.sftoken.Broker"])
            same(tree.stderr.count("Read-only file system"), 3, tree.stderr)
            socket = (pod.volumes["socket"].path / "sftokend").stat()
            same((socket.st_uid, socket.st_mode & 0o7777), (SIDECAR_UID, 0o755))


def test_reload() -> None:
    """The kubelet swaps ..data of ConfigMap and Secret: nothing changes before the reload, everything after it; a mistake changes nothing"""
    with Standin() as salesforce:
        world = World(salesforce)
        with world.pod("job.yaml", sh("true")) as pod:
            pod.start()
            same(pod.other("before", 20002, "sftoken", "get", "crm").returncode, 66)
            data = world.maps["sftokend"]
            pod.volumes["configuration"].fill({**data, "crm.conf": data["crm.conf"].replace("AllowUser=20001", "AllowUser=20001 20002")})
            same(pod.other("unread", 20002, "sftoken", "get", "crm").returncode, 66)
            pod.exec("sftokend", "sftoken", "reload")
            same(pod.other("after", 20002, "sftoken", "get", "crm").returncode, 0)
            same(world.logins(), 1)
            pod.volumes["configuration"].fill({**data, "crm.conf": data["crm.conf"] + "Colour=red\n"})
            refused = pod.exec("sftokend", "sftoken", "reload", check=78)
            assert "credentials/crm.conf" in refused.stderr and "Colour" in refused.stderr, refused.stderr
            same(pod.other("mistake", 20002, "sftoken", "get", "crm").returncode, 0)
            # The app has a new certificate: the old key is refused, the new one taken after the swap and a reload.
            pod.volumes["configuration"].fill(data)
            key = world.new_key()
            pod.exec("sftokend", "sftoken", "reload")
            assert pod.exec("sftokend", "sftoken", "refresh", "crm", check=None).returncode != 0
            pod.volumes["secrets"].fill({"crm.key": key})
            pod.exec("sftokend", "sftoken", "reload")
            pod.exec("sftokend", "sftoken", "refresh", "crm")
            same(pod.other("again", 20002, "sftoken", "get", "crm").returncode, 66)


def test_children() -> None:
    """PID 1 starts killed children again, without a login and without a zombie; it reaps orphans that are not its own"""
    with Standin() as salesforce:
        world = World(salesforce)
        with world.pod("job.yaml", sh("true")) as pod:
            pod.start()
            name = pod.full("sftokend")
            before = box.processes(name)
            same(box.inspect(name)["State"]["Pid"], before["sftokend"])
            for child in ("sftokend-mint", "sftokend-front"):
                os.kill(before[child], 9)
                wait_for(lambda: box.processes(name).get(child, before[child]) != before[child], f"a new {child}")
                same(pod.other("job2", JOB_UID, "sftoken", "get", "crm").returncode, 0)
            same(world.logins(), 1)
            box.podman("run", "--rm", "--pod", pod.name, "--pid", f"container:{name}", box.JOB, "sh", "-c", "(sleep 0.3) & true")
            wait_for(lambda: box.processes(name)["zombies"] == 0, "no zombie")
            box.podman("kill", "--signal", "KILL", name)
            box.podman("wait", name)
            box.podman("start", name)  # as restartPolicy: Always does: the volumes are still there
            assert pod.probe(next(s for s in pod.sidecars), "startupProbe")
            same(pod.other("job3", JOB_UID, "sftoken", "get", "crm").returncode, 0)
            same(world.logins(), 1, "the state outlives the container")


def test_until_idle() -> None:
    """job-until-idle.yaml: the job waits for the sidecar, holds it by a watch, ends, and then the sidecar ends by itself with 0"""
    def edit(spec: Any) -> None:
        spec["containers"][0]["args"][-1] = "1"
        # what the file says, with something for /app/etl that lasts longer than the sidecar would wait
        words = spec["containers"][1]["command"]
        assert words[2].endswith("exec sftoken exec crm -- /app/etl; }")
        words[2] = words[2].replace("/app/etl", "sh -c 'sleep 3; test -n \"$SF_ACCESS_TOKEN\" && sftoken get crm'")

    with Standin() as salesforce:
        world = World(salesforce)
        with world.pod("job-until-idle.yaml", edit=edit) as pod:
            pod.start()
            same(pod.wait("job"), 0)
            ended = time.monotonic()
            assert salesforce.is_live(box.logs(pod.full("job")).strip())
            same(pod.wait("sftokend"), 0)
            assert time.monotonic() - ended < 20
            assert "parent.idle" in box.logs(pod.full("sftokend"))


def test_deployment() -> None:
    """deployment.yaml: a refresh token outlives the pod in its volume and is spent by the next one"""
    with Standin() as salesforce:
        world = World(salesforce)
        salesforce.configure(apps={"app": {"secret": "s3cret"}})
        crm = f"[Credential]\nGrantType=refresh_token\nLoginUrl={salesforce.url}\nClientId=app\nClientSecret=credential:crm.secret\n[Access]\nAllowUser=20001\nRoot=no\n"
        world.maps["sftokend"]["crm.conf"] = crm
        world.secrets["sftokend"] = {"crm.secret": "s3cret"}
        grant = salesforce.new_grant("etl@example.com", "app", True)
        with world.pod("deployment.yaml", sh("true")) as pod:
            pod.sidecars[0]["startupProbe"]["exec"]["command"] = ["sftoken", "--quiet", "ping"]  # before the import there is nothing to wait for
            pod.start()
            box.podman("exec", "-i", pod.full("sftokend"), "sftoken", "import", "crm", "--kind", "refresh_token", stdin=str(grant["refresh_token"]))
            same(pod.other("first", JOB_UID, "sftoken", "get", "crm").returncode, 0)
            box.podman("stop", "--time", "30", pod.full("sftokend"))
            # the next pod: another container, the memory of the old one is gone
            box.podman("rm", pod.full("sftokend"))
            for file in pod.volumes["private"].path.rglob("*"):
                if file.is_file():
                    file.unlink()
            pod.run(pod.sidecars[0])
            wait_for(lambda: pod.probe(pod.sidecars[0], "startupProbe"), "the next pod")
            pod.exec("sftokend", "sftoken", "wait", "crm", "--wait", "20")
            status = pod.exec("sftokend", "sftoken", "status").stdout
            assert "suspect" not in status, status
            pod.exec("sftokend", "sftoken", "refresh", "crm")
            same(pod.other("second", JOB_UID, "sftoken", "get", "crm").returncode, 0)
        same(salesforce.problems(), [])


# --- what can be seen without running them ---

FILES = ("job.yaml", "cronjob.yaml", "job-until-idle.yaml", "deployment.yaml")


def test_files() -> None:
    """All files: known kinds and versions; volumes, sockets and uids fit together; job.yaml and cronjob.yaml are the same pod"""
    versions = {"ConfigMap": "v1", "PersistentVolumeClaim": "v1", "Job": "batch/v1", "CronJob": "batch/v1", "Deployment": "apps/v1"}
    same(sorted(p.name for p in FOLDER.iterdir()), sorted((*FILES, "configuration.yaml")))
    settings = documents("configuration.yaml")[0]["data"]
    path = next(line.removeprefix("Path=") for line in settings["sftokend.conf"].splitlines() if line.startswith("Path="))
    assert f"AllowUser={JOB_UID}" in settings["crm.conf"]
    for file in ("configuration.yaml", *FILES):
        for doc in documents(file):
            same(doc["apiVersion"], versions[doc["kind"]], file)
    for file in FILES:
        spec = pod_spec(documents(file))
        volumes = {v["name"]: v for v in spec["volumes"]}
        sidecar, job = [*spec.get("initContainers", []), *spec["containers"]]
        for container in (sidecar, job):
            assert {m["name"] for m in container["volumeMounts"]} <= set(volumes), file
        used = {m["name"] for c in (sidecar, job) for m in c["volumeMounts"]}
        same(used, set(volumes), f"{file}: volumes")
        same([m for m in job["volumeMounts"]], [{"name": "socket", "mountPath": "/run/sftoken", "readOnly": True}], file)
        shared = next(m["mountPath"] for m in sidecar["volumeMounts"] if m["name"] == "socket")
        same(Path(path).parent.parent, Path(shared), f"{file}: the socket has a directory of its own in the shared volume")
        same(job["env"], [{"name": "SFTOKEN_SOCKET", "value": path}], file)
        same((job["securityContext"]["runAsUser"], sidecar["securityContext"]["runAsUser"]), (JOB_UID, SIDECAR_UID), file)
        assert "restartPolicy" in sidecar or "--until-idle" in sidecar["args"], file
    same(pod_spec(documents("cronjob.yaml")), pod_spec(documents("job.yaml")))


def test_play() -> None:
    """podman play kube, an implementation of the format that is not ours, runs the pod of job.yaml (its version 4.3 knows neither native sidecars nor fsGroup, nor folders in a ConfigMap: the volumes are ready-made)"""
    with Standin() as salesforce:
        world = World(salesforce)
        spec = pod_spec(documents("job.yaml"))
        sidecar, job = spec.pop("initContainers")[0], spec["containers"][0]
        for key in ("restartPolicy", "startupProbe", "livenessProbe"):
            del sidecar[key]
        sidecar["image"], job["image"] = f"{box.IMAGE}:latest", f"{box.JOB}:latest"
        job["command"] = ["sftoken", "wait", "crm", "--wait", "30"]
        folder = box.place() / "played"
        folder.mkdir()
        for volume in spec["volumes"]:
            if volume["name"] == "configuration":
                volume["configMap"]["items"].append({"key": "ca.pem", "path": "ca.pem"})
            elif volume["name"] == "secrets":
                volume["secret"]["defaultMode"] = 0o444
        paths = {v["name"]: Volume(folder, v, 0, world.maps, world.secrets).path for v in spec["volumes"]}
        spec.update(hostNetwork=True, containers=[{**c, "imagePullPolicy": "Never"} for c in (sidecar, job)],
                    volumes=[{"name": name, "hostPath": {"path": str(path), "type": "Directory"}} for name, path in paths.items()])
        file = folder / "pod.yaml"
        file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "played"}, "spec": spec}))
        box.podman("play", "kube", str(file))
        same(int(box.podman("wait", "played-job").stdout), 0, box.logs("played-sftokend"))
        same((box.inspect("played-sftokend")["Config"]["User"], box.inspect("played-job")["Config"]["User"]), ("10001:10001", "20001:20001"))
        box.podman("play", "kube", "--down", str(file))


if __name__ == "__main__":
    main()
