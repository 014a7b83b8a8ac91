"""A real PostgreSQL server for tests: started by the test, gone with it.

Belongs here: finding the server's binaries, a self-signed certificate, starting and stopping.
Does not belong here: a test. The server listens on 127.0.0.1 only, over TLS, with a password.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

USER, PASSWORD = "till", "pass'word of the till"
UNPRIVILEGED = ("postgres", "nobody")  # the server refuses to run as root


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    certificate: Path

    def dsn(self, *, password: str = PASSWORD, database: str = "postgres", extra: str = "") -> str:
        """Return a connection string that insists on this server's certificate."""
        quoted = password.replace("'", "\\'")
        tls = extra or f"sslmode=verify-full sslrootcert={self.certificate}"
        return (
            f"host=127.0.0.1 port={self.port} user={USER} password='{quoted}' dbname={database}"
            f" {tls}"
        )


def binaries() -> Path | None:
    """Return the folder of the server's binaries, or None if there is none."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if config := shutil.which("pg_config"):
        said = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        folders.insert(0, Path(said.stdout.strip()))
    if found := shutil.which("postgres"):
        folders.append(Path(found).parent)
    return next((f for f in folders if (f / "postgres").exists() and (f / "initdb").exists()), None)


def _as_user(folder: Path) -> list[str]:
    """Return the prefix of a command that must not run as root; the folder becomes the user's."""
    if os.geteuid() != 0:
        return []
    import pwd

    for name in UNPRIVILEGED:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid)
        ids = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        return ["setpriv", *ids]
    raise RuntimeError("no user to run the server as")


def _certificate(folder: Path) -> Path:
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.crt"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = folder / "server.key"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    private.chmod(0o600)
    return pem


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(folder: Path, bin_folder: Path) -> Iterator[Server]:
    """Run a server whose files are all under ``folder`` (which an unprivileged user must reach)."""
    files, data = folder / "tls", folder / "data"
    files.mkdir()
    certificate = _certificate(files)
    trusted = folder / "trusted.crt"
    shutil.copy(certificate, trusted)
    (files / "password").write_text(PASSWORD)
    prefix = _as_user(folder)
    subprocess.run(
        [*prefix, bin_folder / "initdb", "-D", data, "-U", USER, "-A", "scram-sha-256",
         f"--pwfile={files / 'password'}", "-E", "UTF8", "--locale=C", "--no-sync"],
        check=True, capture_output=True, cwd=folder,
    )  # fmt: skip
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
    port = _free_port()
    settings = {
        "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "ssl": "on",
        "ssl_cert_file": certificate, "ssl_key_file": files / "server.key", "fsync": "off",
    }  # fmt: skip
    flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*prefix, bin_folder / "postgres", "-D", data, *flags],
            stdout=log, stderr=log, cwd=folder,
        )  # fmt: skip
    try:
        _wait(bin_folder, port, process)
        yield Server(port, trusted)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(bin_folder: Path, port: int, process: subprocess.Popen) -> None:
    import time

    ready = [bin_folder / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    for _ in range(150):
        if subprocess.run(ready, check=False).returncode == 0:
            return
        if process.poll() is not None:
            break
        time.sleep(0.2)
    raise RuntimeError("the server didn't start")
