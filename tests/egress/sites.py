"""A name server, web servers, a trap and a certificate authority on this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

__all__ = ["Authority", "Names", "Site", "Trap", "site_on", "trap_on"]

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Names:
    """A name server of the test: each question to a host takes its next answer."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self.answers = {host.replace("_", "."): list(each) for host, each in answers.items()}
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        left = self.answers.get(host)
        if not left:
            raise socket.gaierror(socket.EAI_NONAME, "no such host")
        return left.pop(0) if len(left) > 1 else left[0]


class Trap:
    """Listens on a port of this machine and counts who comes."""

    def __init__(self) -> None:
        self.visits = 0
        self.port = 0

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        writer.close()


@asynccontextmanager
async def trap_on(host: str, port: int = 0) -> AsyncIterator[Trap]:
    found = Trap()
    server = await asyncio.start_server(found._meet, host, port)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        await server.wait_closed()


class Site:
    """A web server on this machine whose pages are set by the test."""

    def __init__(self) -> None:
        self.pages: dict[str, Handler] = {}
        self.requests: list[web.BaseRequest] = []
        self.port = 0
        self.scheme = "http"

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        return await self.pages[request.path](request)

    def page(self, path: str, response: Callable[[], web.Response]) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            return response()

        self.pages[path] = handler

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


@asynccontextmanager
async def site_on(host: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    found = Site()
    found.scheme = "http" if tls is None else "https"
    runner = web.ServerRunner(web.Server(found.serve))
    await runner.setup()
    listener = socket.create_server((host, 0))
    found.port = listener.getsockname()[1]
    await web.SockSite(runner, listener, ssl_context=tls).start()
    try:
        yield found
    finally:
        await runner.cleanup()


class Authority:
    """Signs certificates for a test; ``trust`` is a client's context that believes it alone."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
        public = self._key.public_key()
        certificate = (
            self._started(self._name, public)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.trust = ssl.create_default_context(
            cadata=certificate.public_bytes(Encoding.PEM).decode()
        )

    def server(self, *hosts: str) -> ssl.SSLContext:
        """The context of a server whose certificate is for these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server of a test")])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            self._started(subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName([*map(_name, hosts)]), critical=False)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        file = self._directory / f"{certificate.serial_number}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        return context

    def _started(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
        )


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
