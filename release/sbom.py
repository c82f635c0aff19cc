# SPDX-License-Identifier: Apache-2.0
"""The bill of materials of a release in SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/): every file of the source, what is linked, and what is loaded if it is there."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

NAMESPACE = "https://github.com/sftoken/sftokend/spdx"
# Loaded by dlopen(), where ldd does not see it: soname -> package.
LOADED = {"libjson-c.so.5": "libjson-c5", "libqrencode.so.4": "libqrencode4"}
# Of the C library and the compiler: in every program.
EVERYWHERE = ("linux-vdso.so.1", "/lib64/ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6")


def tool(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout


def needed(programs: list[Path]) -> set[str]:
    """Sonames that our programs ask for themselves (not what those bring with them)."""
    found: set[str] = set()
    for program in programs:
        found |= set(re.findall(r"\(NEEDED\)\s+Shared library: \[(.+?)\]", tool("readelf", "-d", str(program))))
    return {n for n in found if n not in EVERYWHERE and not n.startswith(("libsftoken", "ld-linux"))}


def package_of(soname: str) -> tuple[str, str] | None:
    """(Debian package, version) that has this library here; None: not installed."""
    for line in tool("/sbin/ldconfig", "-p").splitlines():
        if line.split(" ", 1)[0].strip() != soname:
            continue
        path = line.rsplit("=> ", 1)[1]
        for name in (path, path.removeprefix("/usr"), str(Path(path).resolve())):
            done = subprocess.run(("dpkg-query", "-S", name), capture_output=True, text=True, check=False)
            if done.returncode == 0:
                package = done.stdout.split(":", 1)[0]
                return package, tool("dpkg-query", "-W", "-f", "${Version}", package)
    return None


def file_entry(top: Path, name: str) -> dict[str, Any]:
    data = (top / name).read_bytes()
    return {"SPDXID": "SPDXRef-File-" + re.sub(r"[^A-Za-z0-9.-]", "-", name) + "-" + hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:8],
            "fileName": f"./{name}",
            "checksums": [{"algorithm": "SHA1", "checksumValue": hashlib.sha1(data, usedforsecurity=False).hexdigest()},
                          {"algorithm": "SHA256", "checksumValue": hashlib.sha256(data).hexdigest()}],
            "licenseConcluded": "Apache-2.0", "copyrightText": "NOASSERTION"}


def library_entry(soname: str) -> dict[str, Any]:
    known = package_of(soname)
    name, version = known if known else (LOADED.get(soname, soname), "NOASSERTION")
    entry: dict[str, Any] = {"SPDXID": "SPDXRef-Library-" + re.sub(r"[^A-Za-z0-9.-]", "-", soname), "name": name, "downloadLocation": "NOASSERTION",
                             "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION",
                             "comment": soname}
    if known:
        entry["versionInfo"] = version
        entry["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": f"pkg:deb/debian/{name}@{version}"}]
    return entry


def document(top: Path, version: str, names: list[str], programs: list[Path], created_s: int) -> dict[str, Any]:
    """names: the files of the source. created_s: seconds since 1970, of the commit, so that the same source has the same bill."""
    files = [file_entry(top, n) for n in sorted(names)]
    linked, loaded = sorted(needed(programs)), sorted(LOADED)
    sums = "".join(sorted(f["checksums"][0]["checksumValue"] for f in files))
    main = {"SPDXID": "SPDXRef-Package-sftokend", "name": "sftokend", "versionInfo": version, "downloadLocation": "https://github.com/sftoken/sftokend",
            "filesAnalyzed": True, "packageVerificationCode": {"packageVerificationCodeValue": hashlib.sha1(sums.encode(), usedforsecurity=False).hexdigest()},
            "licenseConcluded": "Apache-2.0", "licenseDeclared": "Apache-2.0", "licenseInfoFromFiles": ["Apache-2.0"], "copyrightText": "NOASSERTION",
            "supplier": "Organization: sftokend developers", "primaryPackagePurpose": "APPLICATION"}
    libraries = {n: library_entry(n) for n in (*linked, *loaded)}
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", main["SPDXID"])]
    relations += [(main["SPDXID"], "CONTAINS", f["SPDXID"]) for f in files]
    relations += [(main["SPDXID"], "DYNAMIC_LINK", libraries[n]["SPDXID"]) for n in linked]
    relations += [(libraries[n]["SPDXID"], "OPTIONAL_DEPENDENCY_OF", main["SPDXID"]) for n in loaded if n not in linked]
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"sftokend-{version}",
            "documentNamespace": f"{NAMESPACE}/sftokend-{version}-{hashlib.sha256(sums.encode()).hexdigest()[:16]}",
            "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created_s)), "creators": ["Organization: sftokend developers", "Tool: release/sbom.py"]},
            "packages": [main, *libraries.values()], "files": files,
            "relationships": [{"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b} for a, kind, b in relations]}


def write(path: Path, what: dict[str, Any]) -> None:
    path.write_text(json.dumps(what, indent=1) + "\n")
